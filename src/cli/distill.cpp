#include <charconv>

#include "cli/command.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {
namespace {

struct DistillArguments {
  TrainingOptions training;
  std::string student;
  DistillOptions distill;
  double temperature = DistillLoss().temperature, alpha = static_cast<double>(DistillLoss().alpha);
  bool json = false;

  void add_to(Command& c);
  TrainingRun finished() const;
};

void DistillArguments::add_to(Command& c) {
  c.add_option("teacher", distill.teacher, "model folder or GGUF file to learn from")->required();
  c.add_option("out", training.run.out, "folder for the student and its checkpoints")->required();
  c.add_option(
       "--student", student,
       "layers=N: so many of the teacher's own, spread evenly; or a preset, config.json or model folder")
      ->required();
  c.add_option("--temperature", temperature, "of both softmaxes, where the student is to be like the teacher")
      ->capture_default_str();
  c.add_option("--alpha", alpha, "the teacher's share of the loss; the text's tokens have the rest")
      ->capture_default_str();
  c.add_option("--top-k", distill.loss.top_k,
               "likeliest tokens of the teacher that are known one by one; all others by their sum")
      ->capture_default_str();
  c.add_option("--teacher-cache", distill.cache,
               "folder that keeps what the teacher says: computed first, without the student in memory");
  c.add_flag("--json", json, "one JSON object a line on stdout");
  training.add_rest_to(c);
}

// "layers=4"; 0 where it is a model.
std::int64_t layers_of(const std::string& student) {
  constexpr std::string_view prefix = "layers=";
  if (!student.starts_with(prefix)) return 0;
  std::int64_t layers = 0;
  const char *first = student.data() + prefix.size(), *last = student.data() + student.size();
  const auto [end, error] = std::from_chars(first, last, layers);
  if (error != std::errc() || end != last || layers < 1)
    throw Error(ErrorKind::usage, {.what = "impossible value",
                                   .where = "student",
                                   .expected = "layers=N with a number from 1 on, or a model",
                                   .found = "'" + student + "'"});
  return layers;
}

TrainingRun DistillArguments::finished() const {
  TrainingRun run = training.finished();
  run.model = student;
  run.distill = distill;
  run.distill->layers = layers_of(student);
  run.distill->loss.temperature = static_cast<float>(temperature);
  run.distill->loss.alpha = static_cast<float>(alpha);
  return run;
}

}  // namespace

void add_distill(Command& app) {
  auto* c = app.add_subcommand(
      "distill", "train a small model on what a large one makes of a text",
      "  hone distill out/book out/small --student layers=4 --data book.txt --steps 500\n"
      "  hone distill SmolLM2-135M out/tiny --student config.json --data texts/ --precision bf16");
  auto* arguments = new_kept<DistillArguments>();
  arguments->add_to(*c);
  c->callback([=] {
    TrainingSession session(arguments->finished(), arguments->json);
    session.run();
  });
}

}  // namespace hone::cli
