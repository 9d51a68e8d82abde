// The textbook loop in two verbs, in f32 and in bf16: time, memory and loss of both.
//
// In bf16 products read and write half the bytes and run on the CPU's bf16 units; weights, moments and sums
// stay f32, so no loss scaling is needed. Where a value is rounded stands in the plan: plan.print() shows
// every cast.
#include <hone/hone.hpp>

#include <chrono>
#include <cstdio>
#include <string>

namespace {

struct Outcome {
  double seconds, loss;
};

Outcome train(const hone::TrainPlan& plan, const hone::Text& text, std::int64_t steps) {
  hone::Trainer trainer(plan);
  const hone::Linear lr{.peak = 2e-3f, .warmup = 5, .steps = steps};
  const std::int64_t micro = plan.options().micro_batch;
  Outcome outcome{};
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t n = 0; n < steps; ++n) {
    for (std::int64_t first = 0; first < plan.batch(); first += micro)
      trainer.accumulate(text.batch(n, plan.batch(), plan.seq(), first, micro));  // forward, loss, backward
    outcome.loss = trainer.update({.lr = lr(n), .clip = 1}).loss;                 // clip, AdamW, cast
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return outcome;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string counting;
  for (int i = 0; i < 3000; ++i) counting += std::to_string(10 + i % 90) + " ";
  const hone::Text text = argc > 1 ? hone::Text(argv[1]) : hone::Text::of(counting);
  const hone::Model gpt = hone::preset("tiny", {.vocab_size = text.vocab_size()});
  constexpr std::int64_t steps = 30;
  hone::Table table({"precision", "memory", "a step", "loss"});
  for (const auto precision : {hone::Precision::f32, hone::Precision::bf16}) {
    const hone::TrainPlan plan(gpt, {.batch = 8, .micro_batch = 4, .seq = 64, .precision = precision});
    const auto [seconds, loss] = train(plan, text, steps);
    table.row({hone::name(precision), hone::human_bytes(static_cast<double>(plan.forecast().arena_bytes)),
               hone::human_duration(seconds / steps), std::to_string(loss)});
  }
  std::fputs(table.to_string().c_str(), stdout);
} catch (const hone::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return hone::exit_code(e.kind());
}
