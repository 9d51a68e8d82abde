#include <fmt/format.h>

#include <filesystem>

#include "cli/command.hpp"
#include "cli/compress_options.hpp"
#include "cli/counted.hpp"
#include "cli/student.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/examples.hpp"

namespace hone::cli {
namespace {

struct DistillArguments {
  TrainingOptions training;
  std::string student;
  DistillOptions distill;
  double temperature = DistillLoss().temperature, alpha = static_cast<double>(DistillLoss().alpha),
         hidden = 0, attention = 0;
  CompressArguments report;  // what the student is measured by

  void add_to(Command& c);
  TrainingRun finished() const;
};

void DistillArguments::add_to(Command& c) {
  c.add_option("teacher", distill.teacher, "model folder or GGUF file to learn from")->required();
  c.add_option("out", training.run.out, "folder for the student and its checkpoints")->required();
  c.add_option("--student", student, "cut from the teacher: layers=N,width=N,heads=N,channels=N; or a model")
      ->not_empty("layers=N, width=N, heads=N, channels=N by commas, or a model")
      ->required();
  c.add_option("--temperature", temperature, "of both softmaxes, where the student is to be like the teacher")
      ->capture_default_str();
  c.add_option("--alpha", alpha, "the teacher's share of the loss; the text's tokens have the rest")
      ->capture_default_str();
  c.add_option("--top-k", distill.loss.top_k,
               "likeliest tokens of the teacher that are known one by one; all others by their sum")
      ->capture_default_str();
  c.add_option("--hidden", hidden,
               "weight of the loss between hidden states of student and teacher, beside that of logits")
      ->capture_default_str();
  c.add_option("--attention", attention, "the same of how positions are related by queries, keys and values")
      ->capture_default_str();
  c.add_option("--relation-heads", distill.loss.relation_heads,
               "heads that --attention cuts both models' queries into; 0: of 32 numbers or more")
      ->capture_default_str();
  c.add_option("--map", distill.map,
               "layers that are compared, the student's=the teacher's: 0=1,1=3; evenly where not given");
  c.add_option("--teacher-cache", distill.cache,
               "folder that keeps what the teacher says: computed first, without the student in memory");
  report.add_quality_to(c);
  training.add_rest_to(c);
}

TrainingRun DistillArguments::finished() const {
  TrainingRun run = training.finished();
  run.model = student;
  run.distill = distill;
  run.distill->loss.temperature = static_cast<float>(temperature);
  run.distill->loss.alpha = static_cast<float>(alpha);
  run.distill->loss.hidden = static_cast<float>(hidden);
  run.distill->loss.attention = static_cast<float>(attention);
  const auto parts = student_parts(student);
  if (parts && parts->only_layers()) run.distill->layers = parts->layers;
  return run;
}

// What is cut narrower than its teacher is measured on the text first.
TrainingRun with_student(const DistillArguments& a, TrainingRun run) {
  const auto parts = student_parts(a.student);
  return parts && !parts->only_layers() ? with_cut_student(std::move(run), *parts) : run;
}

// The text that the student is measured on beside its teacher: --eval-data, or what is held out of the text
// that it learns from. Empty: it learns from examples or pairs, which are no text.
std::string measured_on(const DistillArguments& a, const TrainingRun& run) {
  if (!a.report.options.eval_data.empty()) return a.report.options.eval_data;
  return Examples::are_in(run.data) ? std::string() : run.data;
}

CompressReport measured(const DistillArguments& a, const TrainingRun& run) {
  CompressOptions options = a.report.options;
  options.data = measured_on(a, run);
  options.tokenizer = run.out;
  options.threads = run.plan.threads;
  options.isa = run.plan.isa;
  options.progress = counted("comparing");
  const Model teacher = open(a.distill.teacher), student = open(run.out);
  if (student.reads_source()) options.data.clear(), options.eval_data.clear();
  return measure(teacher, student, options);
}

// A student that lost more than it may is no model: its checkpoints stay, for the run to go on from.
void require_quality(const DistillArguments& a, const CompressReport& report, const std::string& out) {
  if (a.report.max_loss_increase.empty() || !report.quality) return;
  const double most = share_from_text(a.report.max_loss_increase, "--max-loss-increase");
  if (report.loss_increase() <= most) return;
  for (const char* file : {"model.safetensors", "config.json"})
    std::filesystem::remove(std::filesystem::path(out) / file);
  throw Error(ErrorKind::quality, {.what = "the student's loss is above its teacher's by more than it may",
                                   .where = out,
                                   .expected = fmt::format("at most {:.2f} %", 100 * most),
                                   .found = fmt::format("{:.2f} %", 100 * report.loss_increase()),
                                   .hint = "its checkpoints stay: more steps go on from there"});
}

// Before anything is trained: a limit that is a number, and something to measure it by.
void require_measure(const DistillArguments& a, const TrainingRun& run) {
  if (a.report.max_loss_increase.empty()) return;
  share_from_text(a.report.max_loss_increase, "--max-loss-increase");
  if (measured_on(a, run).empty())
    throw Error(ErrorKind::usage, {.what = "a limit of the loss needs a text to measure it by",
                                   .where = "--max-loss-increase",
                                   .hint = "give --eval-data"});
}

void note_without_effect(const DistillArguments& a, const TrainingRun& run) {
  const Command& c = *a.report.command;
  if (a.alpha == 0)
    c.note_without_effect({"--temperature", "--top-k"}, "with --alpha 0, where logits are not the teacher's");
  if (measured_on(a, run).empty())
    c.note_without_effect({"--max-eval-tokens", "--speed-tokens"}, "without a text to measure on");
}

void run(const DistillArguments& a) {
  const TrainingRun training = a.finished();
  require_measure(a, training);
  note_without_effect(a, training);
  a.report.check_report();
  TrainingSession session(with_student(a, training), false);
  const RunSummary done = session.run(!a.report.json);
  leave_nothing_unfinished(a.report.json);  // the run is saved
  CompressReport report = measured(a, training);
  report.seconds = done.seconds;
  report.peak_bytes = done.peak_bytes;
  report.forecast_bytes = done.forecast_bytes;
  if (!report.quality)
    report.notes.emplace_back(
        "no text was given to measure by, so nothing is known of the student's quality");
  require_quality(a, report, training.out);
  CompressArguments shown = a.report;
  shown.in = a.distill.teacher;
  shown.write_report(report, training.out);
  shown.print(report, training.out, done.weights_hash);
}

}  // namespace

void add_distill(Command& app) {
  auto* c = app.add_subcommand(
      "distill", "train a small model on what a large one makes of a text",
      "  hone distill out/book out/small --student layers=4 --data book.txt --steps 500\n"
      "  hone distill out/book out/small --student layers=4,width=192,channels=512 --data book.txt\n"
      "  hone distill out/book out/small --student layers=2 --data book.txt --hidden 1 --map 0=2,1=5\n"
      "  hone distill SmolLM2-135M out/tiny --student config.json --data texts/ --precision bf16");
  auto* arguments = new_kept<DistillArguments>();
  arguments->add_to(*c);
  c->callback([=] { run(*arguments); });
}

}  // namespace hone::cli
