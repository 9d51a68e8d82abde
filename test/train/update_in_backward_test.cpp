// Updates inside of backward change what is kept, and no bit.
#include <gtest/gtest.h>

#include <limits>

#include "exec/job.hpp"
#include "hone/optimizer.hpp"
#include "train/numbered_lines.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 4, T = 32;

TrainPlanOptions options(bool clipping, const std::string& optimizer = "adamw") {
  return {.batch = B, .micro_batch = B, .seq = T, .optimizer = optimizer, .threads = 2, .clipping = clipping};
}

Model model() { return preset("tiny", {.vocab_size = 256, .context = T, .dropout = 0.1f, .seed = 5}); }

std::int64_t gradient_bytes(const TrainPlan& plan) {
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : plan.impl().forecast.breakdown) sum += name == "gradients" ? bytes : 0;
  return sum;
}

TEST(UpdateInBackward, ChangesNoBitOfAnyOptimizer) {
  const Text some = numbered_lines();
  for (const std::string& optimizer : optimizers())
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      TrainPlanOptions o = options(true, optimizer);
      o.precision = precision;
      Trainer kept{TrainPlan(model(), o)};
      o.clipping = false;
      Trainer inside{TrainPlan(model(), o)};
      for (std::int64_t n = 0; n < 4; ++n) {
        const Batch batch = some.batch(n, B, T);
        const StepResult a = kept.step(batch, {.lr = 1e-3f}), b = inside.step(batch, {.lr = 1e-3f});
        EXPECT_EQ(a.loss, b.loss);
        EXPECT_EQ(a.grad_norm, b.grad_norm);
        EXPECT_EQ(a.tokens, b.tokens);
      }
      EXPECT_EQ(kept.weights_hash(), inside.weights_hash()) << optimizer;
      EXPECT_EQ(kept.evaluate(some.held_out(0, B, T)).loss, inside.evaluate(some.held_out(0, B, T)).loss);
    }
}

TEST(UpdateInBackward, KeepsNoGradients) {
  const TrainPlan kept(model(), options(true)), inside(model(), options(false));
  EXPECT_GT(gradient_bytes(kept), 0);
  EXPECT_LT(20 * gradient_bytes(inside), gradient_bytes(kept));  // but for the rows of a tied table
  EXPECT_LT(inside.peak_bytes(), kept.peak_bytes());
  TrainPlanOptions parts = options(false);
  parts.micro_batch = 2;
  EXPECT_EQ(gradient_bytes(TrainPlan(model(), parts)), gradient_bytes(kept));
  Trainer t(inside);
  EXPECT_EQ(t.plan().impl().job.programs()[t.plan().impl().update].nodes.size(), 0u);
}

TEST(UpdateInBackward, AStepOfTwoVerbsOrThatStopsIsAsBefore) {
  const Text some = numbered_lines();
  Trainer one{TrainPlan(model(), options(false))}, two{TrainPlan(model(), options(false))};
  const Batch batch = some.batch(0, B, T);
  const std::string before = two.weights_hash();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(two.step(batch, {.stop = stop.get_token()}).stopped);
  two.accumulate(batch);
  EXPECT_EQ(two.weights_hash(), before);
  EXPECT_THROW(two.evaluate(batch), Error);
  EXPECT_THROW(two.update({.clip = 1}), Error);
  two.discard();
  EXPECT_NO_THROW(two.evaluate(batch));
  two.accumulate(batch);
  const StepResult a = one.step(batch, {}), b = two.update({});
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(one.weights_hash(), two.weights_hash());
}

TEST(UpdateInBackward, RefusesWhatNeedsAllGradients) {
  TrainPlanOptions o = options(false);
  o.keep = {"transformer.wte.weight"};
  EXPECT_THROW(TrainPlan(model(), o), Error);
  o.micro_batch = 2;
  EXPECT_NO_THROW(TrainPlan(model(), o));
  Trainer t{TrainPlan(model(), options(false))};
  EXPECT_THROW(t.step(numbered_lines().batch(0, B, T), {.clip = 1}), Error);
}

TEST(UpdateInBackward, ALossThatIsNotFiniteChangesNothing) {
  const Text some = numbered_lines();
  Trainer t{TrainPlan(model(), options(false))};
  std::vector<float> bias(128, std::numeric_limits<float>::max());
  t.write("transformer.ln_f.bias", bias);
  const std::string before = t.weights_hash();
  EXPECT_THROW(t.step(some.batch(0, B, T), {}), Error);
  EXPECT_EQ(t.weights_hash(), before);
}

}  // namespace
}  // namespace hone
