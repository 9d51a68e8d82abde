#include <list>

#include "base/random.hpp"
#include "hone/bench.hpp"
#include "machine/memory.hpp"
#include "run/in_turns.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

// Values for whatever a network and its objective read: any ids and labels, whole lengths.
class RandomSamples {
 public:
  explicit RandomSamples(const TrainPlan& plan) : samples_(plan.batch()) {
    const auto& impl = plan.impl();
    const Program& p = impl.job.programs()[impl.micro[0].train];
    for (const TensorId id : p.inputs())
      if (of_batch(p[id].input.meaning)) add(p[id]);
  }
  const Samples& samples() const { return samples_; }

 private:
  void add(const TensorDef& input) {
    const bool once = input.input.once_a_step;
    const std::int64_t each = input.type.shape.elements() / (once ? 1 : input.type.shape[0]);
    const auto count = static_cast<std::size_t>(once ? each : each * samples_.count());
    const std::string name = input.name.substr(1);  // without '$'
    if (input.input.meaning == Meaning::values) {
      auto& to = values_.emplace_back(count);
      for (float& x : to) x = stream_.normal();
      once ? samples_.set_once(name, to) : samples_.set(name, std::span<const float>(to));
      return;
    }
    auto& to = ids_.emplace_back(count, static_cast<std::int32_t>(input.input.below));
    if (input.input.meaning != Meaning::lengths)
      for (std::int32_t& x : to)
        x = static_cast<std::int32_t>(stream_.below(static_cast<std::uint64_t>(input.input.below)));
    samples_.set(name, std::span<const std::int32_t>(to));
  }

  Stream stream_{stream_key("bench", 0)};
  std::list<std::vector<std::int32_t>> ids_;  // lists, so that what samples_ looks at stays where it is
  std::list<std::vector<float>> values_;
  Samples samples_;
};

}  // namespace

BenchResult bench_train(const Model& model, const TrainPlanOptions& options, int steps) {
  const TrainPlan plan(model, options);
  const auto& decided = plan.options();
  Trainer trainer(plan);
  const RandomSamples random(plan);
  const Samples& batch = random.samples();
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
