#include "hone/plan_choices.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "exec/node_times.hpp"
#include "tiny_gpt2.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

TrainPlan planned(Precision precision, std::int64_t memory_bytes = 0) {
  return {TinyGpt2{.layers = 3, .heads = 2, .width = 64, .context = 64}.model(),
          {.batch = 16, .seq = 64, .precision = precision, .threads = 2, .memory_bytes = memory_bytes}};
}

TEST(PlanChoices, AddUpAndBeginWithThePlan) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const TrainPlan plan = planned(precision);
    const auto choices = plan_choices(plan);
    ASSERT_GT(choices.size(), 3u);
    EXPECT_EQ(choices[0].peak_bytes, plan.peak_bytes());
    for (const PlanChoice& c : choices) {
      EXPECT_EQ(c.parameters_bytes + c.gradients_bytes + c.optimizer_bytes + c.activations_bytes +
                    c.scratch_bytes + c.outside_bytes,
                c.peak_bytes)
          << c.what;
      EXPECT_GT(c.activations_bytes, 0) << c.what;
      EXPECT_TRUE(std::isfinite(c.step_ms) && c.step_ms > 0) << c.what;
      if (c.same_numbers) {
        EXPECT_LE(c.peak_bytes, plan.peak_bytes()) << c.what;
      }
    }
    EXPECT_LT(choices.back().peak_bytes, choices[0].peak_bytes);
  }
}

TEST(PlanChoices, ARecommendationFits) {
  const TrainPlan plan = planned(Precision::bf16);
  const auto choices = plan_choices(plan);
  EXPECT_EQ(recommended(plan, choices, std::int64_t{1} << 40).options, "");
  const std::int64_t less = choices.back().peak_bytes + (std::int64_t{1} << 20);
  const Recommendation budget = recommended(plan, choices, less);
  EXPECT_TRUE(budget.fits);
  EXPECT_EQ(budget.options, "--memory " + std::to_string(less >> 20) + "MiB");
  EXPECT_LE(planned(Precision::bf16, less >> 20 << 20).peak_bytes(), less);
  EXPECT_FALSE(recommended(plan, choices, 1 << 20).fits);
}

// Every kind of node is run once; what is known is not run again.
TEST(NodeTimes, KnowEachKindOfNode) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const TrainPlan plan = planned(precision);
    NodeTimes times(plan.impl().job.options(), plan.forecast().arena_bytes);
    for (const Program& program : plan.impl().job.programs()) {
      const double ms = times.ms(program);
      EXPECT_TRUE(std::isfinite(ms) && (program.nodes.empty() || ms > 0));
      EXPECT_EQ(times.ms(program), ms);
    }
  }
}

}  // namespace
}  // namespace hone
