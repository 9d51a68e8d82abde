#include <fmt/format.h>

#include <filesystem>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/plan_choices.hpp"

namespace hone::cli {
namespace {

// A folder of its own for what was planned without one.
std::string usual_out(const std::string& model) {
  const std::filesystem::path path(model);
  const auto last = path.has_filename() ? path : path.parent_path();
  const bool folder = std::filesystem::is_directory(path);
  return "out/" + (folder ? last.filename().string() + "-tuned" : last.stem().string());
}

// What was typed, but for what `plan` alone has and what another value is recommended for; then that, and
// what a run needs besides.
std::string run_command(const Command& plan, const TrainingRun& run, const std::string& recommended) {
  std::vector<std::string> without{"--json", "--print-programs"};
  for (const char* option : {"--precision", "--memory", "--allow"})
    if (recommended.find(option) != std::string::npos) without.emplace_back(option);
  std::vector<std::string> words{"hone train", plan.typed(without), recommended};
  if (run.out.empty()) words.push_back("--out " + shell_word(usual_out(run.model)));
  std::erase(words, "");
  return fmt::format("{}", fmt::join(words, " "));
}

// What is typed for a choice; of a budget, the size that it takes.
std::string typed_for(const PlanChoice& c) {
  return c.options == "--memory" ? fmt::format("--memory {}MiB", (c.peak_bytes >> 20) + 1) : c.options;
}

struct Shown {
  const TrainPlan& plan;
  std::vector<PlanChoice> choices;
  Recommendation recommended;
  std::string command;      // the run as it is recommended; empty where there is none
  bool lacks_data = false;  // and its --data is still to be named
};

void show_json(const Shown& s, bool programs) {
  const Forecast& f = s.plan.forecast();
  JsonLine parts;
  for (const auto& [what, bytes] : f.breakdown) parts.add(what, bytes);
  std::vector<JsonLine> choices;
  for (const PlanChoice& c : s.choices)
    choices.push_back(JsonLine()
                          .add("what", c.what)
                          .add("options", typed_for(c))
                          .add("same_numbers", c.same_numbers)
                          .add("parameters_bytes", c.parameters_bytes)
                          .add("gradients_bytes", c.gradients_bytes)
                          .add("optimizer_bytes", c.optimizer_bytes)
                          .add("activations_bytes", c.activations_bytes)
                          .add("scratch_bytes", c.scratch_bytes)
                          .add("outside_bytes", c.outside_bytes)
                          .add("peak_bytes", c.peak_bytes)
                          .add("step_ms", c.step_ms));
  JsonLine line;
  line.add("peak_bytes", f.peak_bytes)
      .add("arena_bytes", f.arena_bytes)
      .add("outside_bytes", f.outside_bytes)
      .add("step_ms", f.step_ms)
      .add("micro_batch", s.plan.options().micro_batch)
      .add("optimizer", s.plan.options().optimizer)
      .add("threads", s.plan.options().threads)
      .add("isa", s.plan.options().isa)
      .add("breakdown", parts)
      .add("choices", choices)
      .add("fits", s.recommended.fits)
      .add("recommended_options", s.recommended.options)
      .add("recommended", s.lacks_data ? "" : s.command);
  if (programs) line.add("programs", s.plan.print());
  print(line.text());
}

std::string choices_table(const std::vector<PlanChoice>& choices) {
  const auto size = [](std::int64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  Table table({"planned", "parameters", "gradients", "optimizer", "activations", "scratch", "outside", "peak",
               "a step", "typed"});
  for (const PlanChoice& c : choices)
    table.row({c.what, size(c.parameters_bytes), size(c.gradients_bytes), size(c.optimizer_bytes),
               size(c.activations_bytes), size(c.scratch_bytes), size(c.outside_bytes), size(c.peak_bytes),
               human_duration(c.step_ms / 1e3), typed_for(c)});
  return table.to_string();
}

void show(const Shown& s, bool json, bool programs) {
  if (json) return show_json(s, programs);
  const Forecast& f = s.plan.forecast();
  if (programs) print(s.plan.print());
  Table table({"memory", "size", "share"});
  for (const auto& [what, bytes] : f.breakdown)
    table.row({what, human_bytes(static_cast<double>(bytes)),
               human_share(static_cast<double>(bytes), static_cast<double>(f.peak_bytes))});
  table.rule().row({"peak", human_bytes(static_cast<double>(f.peak_bytes)), ""});
  print_text(table.to_string());
  const auto tokens = static_cast<double>(s.plan.batch() * s.plan.seq());
  print(fmt::format("a step of {} tokens in micro-batches of {} takes about {}: {}", human_count(tokens),
                    s.plan.options().micro_batch, human_duration(f.step_ms / 1e3),
                    human_rate(tokens / f.step_ms * 1e3, "tok/s")));
  print_text("\n" + choices_table(s.choices));
  if (s.recommended.fits)
    print((s.lacks_data ? "recommended here, with your --data: " : "recommended here: ") + s.command);
  else
    print("this machine has not enough free memory for it, whatever is chosen");
}

}  // namespace

void add_plan(Command& app) {
  auto* c =
      app.add_subcommand("plan", "what a training run will need and take, before it starts",
                         "  hone plan --model gpt2 --data book.txt --batch 4 --seq 256 --precision bf16\n"
                         "  hone plan --model config.json --data book.txt --json\n"
                         "  hone plan --model nano       (without the memory of a text, and says so)\n"
                         "  hone plan --model '?'        (names the presets)");
  auto* options = new_kept<TrainingOptions>();
  auto* json = new_kept<bool>();
  auto* programs = new_kept<bool>();
  options->add_to(*c);
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->add_flag("--print-programs", *programs, "the programs, one line a node");
  c->callback([=] {
    TrainingRun run = options->finished();
    run.on_message = message;
    const TrainPlan plan = plan_of(run);
    print_notes(run_notes(run, plan));
    Shown shown{.plan = plan,
                .choices = plan_choices(plan),
                .recommended = {},
                .command = {},
                .lacks_data = run.data.empty()};
    shown.recommended = recommended(plan, shown.choices, run.plan.memory_bytes);
    if (shown.recommended.fits) shown.command = run_command(*c, run, shown.recommended.options);
    show(shown, *json, *programs);
  });
}

}  // namespace hone::cli
