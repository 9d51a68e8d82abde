#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <limits>
#include <sstream>

#include "cli/command.hpp"
#include "cli/demo_compress.hpp"
#include "cli/kept_file.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/bench.hpp"
#include "hone/generate.hpp"
#include "hone/machine.hpp"

namespace hone::cli {
namespace {

struct DemoOptions {
  TrainingOptions training;
  std::string prompt = "And ";
  std::int64_t sample_tokens = 200, vocab_size = 4096;
  bool json = false, no_compress = false;
};

constexpr double training_seconds = 150;  // with the distillation and what is around it: 3 to 5 minutes
constexpr double trial_seconds = 5;
constexpr std::int64_t evaluations = 4;  // of 131,072 tokens at most, each a third of a step's work
constexpr double evaluation_tokens = 1 << 17;
constexpr std::int64_t fewest_steps = 20;

// On the King James Bible, by batches of 8 x 256, in bf16: at equal work micro over 2,048 ids ended at 1.82
// bits a byte (1,000 steps), mini over 1,024 at 2.01 (520); with 540 steps micro at 1.89 over 2,048 ids
// and 1.81 over 4,096, which cost a quarter more. A larger model wants more text than that: mini where it
// gets this many steps.
constexpr std::int64_t steps_for_mini = 1500;

// What a demo trains and for how long.
struct Course {
  std::string model{};
  std::int64_t steps = 0;
  std::string reason{};  // of the number; empty where it was given
};

std::int64_t steps_within(const TrainPlan& plan, double step_seconds) {
  const double token_seconds = step_seconds / static_cast<double>(plan.batch() * plan.seq());
  const double around = static_cast<double>(evaluations) * evaluation_tokens * token_seconds / 3;
  const double fit = std::max(training_seconds - around, training_seconds / 4) / step_seconds;
  return std::max(fewest_steps, static_cast<std::int64_t>(fit) / 10 * 10);
}

// A few seconds of steps, after a short look at how many those are.
double step_seconds_of(const TrainPlan& plan) {
  const auto tokens = static_cast<double>(plan.batch() * plan.seq());
  const auto seconds = [&](int steps) {
    return tokens / bench_train(plan.model(), plan.options(), steps).tokens_per_s.median;
  };
  return seconds(std::clamp(static_cast<int>(trial_seconds / seconds(1)), 1, 100));
}

// By trials: a forecast from the machine's limits would not know what else runs here. Whether
// mini would get its steps is told from micro's, so that a slow machine never takes mini's memory.
Course course_for_this_machine(TrainingRun run, bool any_model) {
  TrainPlan plan = plan_of(run);
  double step_seconds = step_seconds_of(plan);
  TrainingRun larger = run;
  larger.model = "mini";
  const TrainPlan larger_plan = plan_of(larger);
  const double larger_seconds = step_seconds * larger_plan.step_flops() / plan.step_flops();
  if (any_model && steps_within(larger_plan, larger_seconds) >= steps_for_mini) {
    run = larger;
    plan = larger_plan;
    step_seconds = step_seconds_of(plan);
  }
  const std::int64_t steps = steps_within(plan, step_seconds);
  return {run.model, steps,
          fmt::format("a step of {} takes {} here, so two to three minutes are {} steps", run.model,
                      human_duration(step_seconds), steps)};
}

std::string course_file(const TrainingRun& run) { return run.out + "/demo.txt"; }

// What an earlier start chose stays with its folder, so that a demo that was stopped goes on, and one that is
// done does no step.
Course course_of(const TrainingRun& run, bool any_model) {
  Course course;
  std::istringstream kept(kept_text(course_file(run)));
  if (run.resume && kept >> course.model >> course.steps && course.steps > 0 &&
      (any_model || course.model == run.model)) {
    course.reason =
        fmt::format("{} steps of {}, as chosen when {} was begun", course.steps, course.model, run.out);
    return course;
  }
  return course_for_this_machine(run, any_model);
}

void keep(const Course& course, const TrainingRun& run) {
  std::ofstream(course_file(run)) << course.model << ' ' << course.steps << '\n';
}

// Before minutes of training, though the sample comes after them.
void check_prompt(const std::string& prompt, const Tokenizer& tokenizer, std::int64_t context) {
  if (const auto tokens = std::ssize(tokenizer.encode(prompt)); tokens > context)
    throw Error(ErrorKind::usage, {.what = "the prompt exceeds the model's context",
                                   .where = "--prompt",
                                   .expected = fmt::format("at most {} tokens", context),
                                   .found = std::to_string(tokens)});
}

// A byte-level BPE of the part that trains. A token then stands for four bytes, so that the minutes of
// a demo see so much more text.
Tokenizer train_tokenizer(const std::string& data, std::int64_t vocab_size) {
  return train_bpe(data, {.vocab_size = vocab_size}, false).tokenizer;
}

std::string sample(const std::string& folder, const std::string& prompt, std::int64_t tokens) {
  const Tokenizer tokenizer = Tokenizer::open(folder);
  Generator generator{GeneratePlan(open(folder))};
  std::string text;
  SamplingOptions sampling;
  sampling.max_tokens = tokens;
  sampling.temperature = 0.7f;  // a little sober: the model is small
  for (const Piece& piece : generator.generate(tokenizer.encode(prompt), sampling, &tokenizer))
    text += piece.text;
  return text;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return text;
}

RunReport report_of(const TrainingRun& run, const TrainingSession& session, const RunSummary& done) {
  const TrainPlan& plan = *session.plan();
  RunReport r;
  r.title = run.model + " on " + run.data.substr(run.data.rfind('/') + 1);
  r.subtitle =
      fmt::format("{}, {} ({} threads, {})", today(), cpu_name(), plan.options().threads, plan.options().isa);
  r.model = {{"model", run.model},
             {"parameters", human_count(static_cast<double>(plan.model().parameters()))},
             {"vocabulary", std::to_string(plan.model().vocab_size())},
             {"context", std::to_string(plan.model().context())}};
  r.options = {{"batch", std::to_string(plan.batch())},
               {"tokens a sequence", std::to_string(plan.seq())},
               {"micro-batch", std::to_string(plan.options().micro_batch)},
               {"precision", name(plan.options().precision)},
               {"threads", std::to_string(plan.options().threads)},
               {"peak learning rate", fmt::format("{}", run.adamw.lr)}};
  r.steps = done.steps;
  if (done.seconds > 0) r.seconds = done.seconds;
  r.train_loss = session.curves().train;
  r.validation_loss = session.curves().validation;
  r.bits_per_byte = done.bits_per_byte;
  for (const auto& [what, bytes] : plan.forecast().breakdown)
    r.memory.push_back({what, static_cast<double>(bytes)});
  r.forecast_bytes = static_cast<double>(done.forecast_bytes);
  r.measured_bytes = static_cast<double>(done.peak_bytes);
  r.tokens_per_s = done.tokens_per_s;
  r.gflops = plan.step_flops() / static_cast<double>(plan.batch() * plan.seq()) * done.tokens_per_s * 1e-9;
  r.limit_gflops = plan.forecast().limit_gflops;
  for (const auto& [op, ms] : done.op_ms)
    if (ms > 0) r.op_ms.push_back({op, ms / static_cast<double>(std::max<std::int64_t>(1, done.steps))});
  return r;
}

// What follows from the number of steps, where it was not said.
void take(TrainingRun& run, const Course& course, const Command& c) {
  run.model = course.model;
  run.steps = course.steps;
  if (!c.given("--eval-every")) run.eval_every = std::max<std::int64_t>(1, run.steps / evaluations);
  if (!c.given("--save-every")) run.save_every = std::max<std::int64_t>(1, run.steps / evaluations);
  if (!c.given("--warmup")) run.warmup = std::min<std::int64_t>(60, run.steps / 4);
}

void print_table(const SmallerModels& smaller, const std::string& prompt) {
  if (smaller.all.size() < 2) return;
  print("\n" + compression_table(smaller.rows()).to_string() + smaller.note + "\n");
  print(fmt::format("each is a model to try: hone generate {} --prompt {} -n 60", smaller.all.back().folder,
                    shell_word(prompt)));
}

void run(const DemoOptions& o, const Command& c) {
  TrainingRun run = o.training.finished();
  if (run.data.empty())
    throw Error(ErrorKind::usage, {.what = "no text for the demo",
                                   .hint = "give one with --data, or run ./dev demo, which fetches one"});
  run.profile = true;
  if (run.tokenizer.empty() && !Tokenizer::of_model(run.model))
    run.made_tokenizer = train_tokenizer(run.data, o.vocab_size);
  else
    c.note_without_effect({"--vocab-size"}, "where no tokenizer is trained");
  Course course{run.model, run.steps};
  if (!c.given("--steps")) {
    course = course_of(run, !c.given("--model"));
    message(fmt::format("demo: {} (the same model anywhere: --model {} --steps {})", course.reason,
                        course.model, course.steps));
  }
  take(run, course, c);
  run.on_start = [&](const TrainPlan& plan, std::int64_t) {
    if (run.made_tokenizer) check_prompt(o.prompt, *run.made_tokenizer, plan.model().context());
    if (!course.reason.empty()) keep(course, run);
  };
  TrainingSession session(run, o.json);
  const RunSummary done = session.run(false);
  const std::string text = sample(run.out, o.prompt, o.sample_tokens);
  SmallerModels smaller;
  if (!o.no_compress) smaller = compress_trained(run, done.weights_hash, o.json);
  RunReport report = report_of(run, session, done);
  report.compressions = smaller.rows();
  report.compression_note = smaller.note;
  if (!course.reason.empty()) report.options.push_back({"steps", course.reason});
  report.command = "hone demo " + c.typed();
  report.prompt = o.prompt;
  report.sample = text;
  write_report(run.out + "/report.html", report);
  if (!o.json) print(o.prompt + text + "\n");
  session.print_done(done, text, smaller.json());
  if (o.json) return;
  print_table(smaller, o.prompt);
  print("report: " + run.out + "/report.html");
}

}  // namespace

void add_demo(Command& app) {
  auto* c = app.add_subcommand(
      "demo", "the main job in minutes: train a small GPT on real text, generate, make it smaller, report",
      "  ./dev demo                      (fetches a text, then runs this)\n"
      "  hone demo --data book.txt --out out/book");
  auto* o = new_kept<DemoOptions>();
  TrainingRun& r = o->training.run;
  r.out = "out/demo";
  r.model = "micro";
  r.plan.batch = 8;
  r.plan.seq = 256;
  o->training.precision = "bf16";
  o->training.lr = 4e-3;
  o->training.min_lr = 2e-4;
  o->training.add_to(*c);
  c->show_default("--model", "micro, or mini where there is time for it");
  c->show_default("--steps", "as many as take two to three minutes here");
  c->show_default("--eval-every", "a quarter of the steps");
  c->show_default("--save-every", "a quarter of the steps");
  c->show_default("--warmup", "a quarter of the steps, at most 60");
  c->add_option("--prompt", o->prompt, "what the sample continues")->capture_default_str();
  c->add_option("--vocab-size", o->vocab_size, "of the tokenizer that is trained where none is named")
      ->capture_default_str();
  c->add_option("--sample-tokens", o->sample_tokens, "tokens of the sample (-1: to the end of the context)")
      ->capture_default_str()
      ->between(-1, std::numeric_limits<std::int64_t>::max());
  c->add_flag("--no-compress", o->no_compress, "end behind the training, without smaller models");
  c->add_flag("--json", o->json, "one JSON object a line on stdout");
  c->callback([=] { run(*o, *c); });
}

}  // namespace hone::cli
