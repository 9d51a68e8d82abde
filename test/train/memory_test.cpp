// A byte budget: what is planned fits, no bit depends on it, and what cannot be is refused with what would
// be.
#include <gtest/gtest.h>

#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 8, T = 48, V = 211;

TrainPlanOptions options(Precision precision, std::int64_t memory_bytes, std::int64_t micro_batch = 0) {
  return {.batch = B,
          .micro_batch = micro_batch,
          .seq = T,
          .precision = precision,
          .threads = 2,
          .seed = 3,
          .memory_bytes = memory_bytes};
}

Model model() {
  return TinyGpt2{.layers = 4, .heads = 2, .width = 64, .vocab_size = V, .context = T}.model();
}

std::string hash_after(const TrainPlan& plan) {
  Trainer trainer(plan);
  const float clip = plan.options().clipping ? 1 : 0;
  for (int n = 0; n < 3; ++n) trainer.step(toy_batch(n, B, T, V), {.lr = 3e-3f, .clip = clip});
  return trainer.weights_hash();
}

// "at least 19 MiB": the smallest budget, as the error says it.
std::int64_t smallest(const Model& m, const TrainPlanOptions& o) {
  try {
    const TrainPlan plan(m, o);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::budget);
    return std::stoll(e.text().expected.substr(std::string("at least ").size())) << 20;
  }
  ADD_FAILURE() << "it fits";
  return 0;
}

TEST(MemoryBudget, ChangesNoBit) {
  const Model m = model();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const TrainPlan free(m, options(precision, 0));
    const std::string expected = hash_after(free);
    const std::int64_t most = free.peak_bytes(), least = smallest(m, options(precision, 1 << 20));
    EXPECT_LT(least, most);
    for (int part = 0; part <= 4; ++part) {
      const std::int64_t budget = least + (most - least) * part / 4;
      const TrainPlan plan(m, options(precision, budget));
      EXPECT_LE(plan.peak_bytes(), budget);
      EXPECT_EQ(hash_after(plan), expected) << name(precision) << " " << part;
    }
  }
}

TEST(MemoryBudget, LeavesAMicroBatchThatWasChosen) {
  const Model m = model();
  const std::int64_t least = smallest(m, options(Precision::f32, 1 << 20, 3));
  const TrainPlan plan(m, options(Precision::f32, least, 3));  // and a ragged rest
  EXPECT_EQ(plan.options().micro_batch, 3);
  EXPECT_LE(plan.peak_bytes(), least);
  EXPECT_EQ(hash_after(plan), hash_after(TrainPlan(m, options(Precision::f32, 0))));
}

// Updates inside of backward are nodes like others: what is made again may not read what they have written.
TEST(MemoryBudget, GoesWithUpdatesInsideOfBackward) {
  const Model m = model();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    auto o = options(precision, 0);
    o.clipping = false;
    const TrainPlan free(m, o);
    const std::string expected = hash_after(free);
    EXPECT_LT(free.peak_bytes(), TrainPlan(m, options(precision, 0)).peak_bytes());
    o.memory_bytes = 1 << 20;
    const std::int64_t least = smallest(m, o);
    for (const std::int64_t budget : {least, (least + free.peak_bytes()) / 2}) {
      o.memory_bytes = budget;
      const TrainPlan plan(m, o);
      EXPECT_LE(plan.peak_bytes(), budget);
      EXPECT_EQ(hash_after(plan), expected) << name(precision) << " " << budget;
    }
  }
}

TEST(MemoryBudget, MayChooseALeanerOptimizerWhereAllowed) {
  const Model m = model();
  const std::int64_t least = smallest(m, options(Precision::f32, 1 << 20));
  auto o = options(Precision::f32, least);
  o.allow = {"optimizer"};
  EXPECT_EQ(TrainPlan(m, o).options().optimizer, "adamw");  // it fits without
  o.memory_bytes = least - (std::int64_t{1} << 20);
  EXPECT_EQ(TrainPlan(m, o).options().optimizer, "adamw8bit");
}

TEST(MemoryBudget, IsAFunctionOfItsOptionsAndFreeWhereItIsLarge) {
  const Model m = model();
  const TrainPlan free(m, options(Precision::bf16, 0));
  EXPECT_EQ(TrainPlan(m, options(Precision::bf16, free.peak_bytes())).print(), free.print());
  const std::int64_t least = smallest(m, options(Precision::bf16, 1 << 20));
  EXPECT_EQ(TrainPlan(m, options(Precision::bf16, least)).print(),
            TrainPlan(m, options(Precision::bf16, least)).print());
}

TEST(MemoryBudget, SaysWhatWouldFit) {
  try {
    const TrainPlan plan(model(), options(Precision::bf16, 1 << 20));
    FAIL() << "it fits";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::budget);
    EXPECT_EQ(e.text().where, "memory_bytes");
    EXPECT_EQ(e.text().found, "1 MiB");
    EXPECT_NE(e.text().hint.find("as asked it takes "), std::string::npos) << e.text().hint;
    EXPECT_NE(e.text().hint.find("% time"), std::string::npos) << e.text().hint;
  }
  auto o = options(Precision::f32, 1 << 20);
  o.allow = {"everything"};
  const auto refused = error_of(ErrorKind::usage, [&] { const TrainPlan plan(model(), o); });
  EXPECT_NE(refused.find("optimizer or master"), std::string::npos) << refused;
  o = options(Precision::f32, -5);
  error_of(ErrorKind::usage, [&] { const TrainPlan plan(model(), o); });
}

}  // namespace
}  // namespace hone
