#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"

namespace hone::cli {
namespace {

void show(const TrainPlan& plan, bool json, bool programs) {
  const Forecast& f = plan.forecast();
  if (json) {
    JsonLine parts;
    for (const auto& [what, bytes] : f.breakdown) parts.add(what, bytes);
    JsonLine line;
    line.add("peak_bytes", f.peak_bytes)
        .add("arena_bytes", f.arena_bytes)
        .add("outside_bytes", f.outside_bytes)
        .add("step_ms", f.step_ms)
        .add("micro_batch", plan.options().micro_batch)
        .add("threads", plan.options().threads)
        .add("isa", plan.options().isa)
        .add("breakdown", parts);
    if (programs) line.add("programs", plan.print());
    print(line.text());
    return;
  }
  if (programs) print(plan.print());
  Table table({"memory", "size", "share"});
  for (const auto& [what, bytes] : f.breakdown)
    table.row({what, human_bytes(static_cast<double>(bytes)),
               human_share(static_cast<double>(bytes), static_cast<double>(f.peak_bytes))});
  table.rule().row({"peak", human_bytes(static_cast<double>(f.peak_bytes)), ""});
  print_text(table.to_string());
  const auto tokens = static_cast<double>(plan.batch() * plan.seq());
  print(fmt::format("a step of {} tokens in micro-batches of {} takes about {}: {}", human_count(tokens),
                    plan.options().micro_batch, human_duration(f.step_ms / 1e3),
                    human_rate(tokens / f.step_ms * 1e3, "tok/s")));
}

}  // namespace

void add_plan(Command& app) {
  auto* c =
      app.add_subcommand("plan", "what a training run will need and take, before it starts",
                         "  hone plan --model gpt2 --data book.txt --batch 4 --seq 256 --precision bf16\n"
                         "  hone plan --model config.json --data book.txt --json\n"
                         "  hone plan --model nano       (without the memory of a text, and says so)");
  auto* options = new_kept<TrainingOptions>();
  auto* json = new_kept<bool>();
  auto* programs = new_kept<bool>();
  options->add_to(*c, false);
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->add_flag("--print-programs", *programs, "the programs, one line a node");
  c->callback([=] {
    TrainingRun run = options->finished();
    run.on_message = message;
    const TrainPlan plan = plan_of(run);
    print_notes(run_notes(run, plan));
    show(plan, *json, *programs);
  });
}

}  // namespace hone::cli
