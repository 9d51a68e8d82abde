#include <algorithm>
#include <chrono>

#include "base/random.hpp"
#include "hone/bench.hpp"
#include "machine/limits.hpp"
#include "machine/memory.hpp"
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
  const MachineLimits& limits = this_machine(decided.threads, isa_from_name(decided.isa),
                                             probe_within(plan.impl().forecast.arena_bytes));
  Trainer trainer(plan);
  const Batch batch = random_batch(model, plan);
  const StepOptions step{.lr = 1e-4f, .clip = 1};
  trainer.step(batch, step);
  std::vector<double> seconds;
  for (int i = 0; i < steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    trainer.step(batch, step);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const auto tokens = static_cast<double>(plan.batch() * plan.seq());
  const double median = seconds[seconds.size() / 2];
  BenchResult r;
  r.name = "train " + std::string(name(decided.precision));
  r.tokens_per_s = {tokens / median, tokens / seconds.back(), tokens / seconds.front()};
  r.gflops = plan.step_flops() / median * 1e-9;
  r.limit_gflops = decided.precision == Precision::bf16 ? limits.bf16_gflops : limits.f32_gflops;
  r.share_of_limit = r.gflops / r.limit_gflops;
  trainer.profile(true);
  trainer.step(batch, step);
  r.op_ms = trainer.profile_ms();
  r.peak_bytes = peak_rss_bytes();
  return r;
}

}  // namespace hone
