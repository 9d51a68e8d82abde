#include "base/random.hpp"
#include "hone/bench.hpp"
#include "machine/memory.hpp"
#include "run/in_turns.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

Batch random_batch(const Model& model, const TrainPlan& plan) {
  Stream stream(stream_key("bench", 0));
  Batch batch{plan.batch(), plan.seq(), {}, {}};
  const auto draw = [&] {
    return static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(model.vocab_size())));
  };
  for (std::int64_t i = 0; i < plan.batch() * plan.seq(); ++i) {
    batch.ids.push_back(draw());
    batch.labels.push_back(draw());
  }
  return batch;
}

}  // namespace

BenchResult bench_train(const Model& model, const TrainPlanOptions& options, int steps) {
  const TrainPlan plan(model, options);
  const auto& decided = plan.options();
  Trainer trainer(plan);
  const Batch batch = random_batch(model, plan);
  const StepOptions step{.lr = 1e-4f, .clip = 1};
  trainer.step(batch, step);
  ThreadPool pool(decided.threads);
  InTurns turns(pool, isa_from_name(decided.isa),
                decided.precision == Precision::bf16 ? Arithmetic::bf16 : Arithmetic::f32, 0.05);
  for (int i = 0; i < steps; ++i) turns.measure(plan.step_flops(), 1, [&] { trainer.step(batch, step); });
  const auto tokens = static_cast<double>(plan.batch() * plan.seq());
  const Spread seconds = turns.seconds();
  BenchResult r;
  r.name = "train " + std::string(name(decided.precision));
  r.tokens_per_s = {tokens / seconds.median, tokens / seconds.max, tokens / seconds.min};
  r.gflops = turns.gflops();
  r.limit_gflops = turns.limit();
  r.share_of_limit = turns.share_of_limit();
  trainer.profile(true);
  trainer.step(batch, step);
  r.op_ms = trainer.profile_ms();
  r.peak_bytes = peak_rss_bytes();
  return r;
}

}  // namespace hone
