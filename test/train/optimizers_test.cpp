// Every optimizer of the table on a transformer whose matrices are large enough for each of its ways: same
// bits over micro-batches and threads, saved and resumed; and what each of them is there for.
#include "hone/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "exec/job.hpp"
#include "kernel/adamw8bit.hpp"
#include "temporary_folder.hpp"
#include "train/numbered_lines.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 4, T = 32;

Model model() { return preset("tiny", {.vocab_size = 256, .context = T, .seed = 5}); }

TrainPlan plan(const std::string& optimizer, std::int64_t micro_batch = B, int threads = 1,
               Precision precision = Precision::f32) {
  return {model(),
          {.batch = B,
           .micro_batch = micro_batch,
           .seq = T,
           .precision = precision,
           .optimizer = optimizer,
           .threads = threads}};
}

float rate(const std::string& optimizer) {
  return optimizer == "sgd" ? 0.1f : optimizer == "lion" ? 3e-4f : 3e-3f;
}

double train(Trainer& t, const Text& text, std::int64_t to, const std::string& optimizer) {
  double loss = 0;
  for (auto n = t.steps(); n < to; n = t.steps())
    loss = t.step(text.batch(n, B, T), {.lr = rate(optimizer), .clip = 1}).loss;
  return loss;
}

std::int64_t bytes_of(const TrainPlan& plan, const std::string& part) {
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : plan.impl().forecast.breakdown) sum += name == part ? bytes : 0;
  return sum;
}

class Optimizers : public testing::TestWithParam<std::string> {};

TEST_P(Optimizers, HaveTheSameBitsHoweverAStepIsComputed) {
  const Text some = numbered_lines();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Trainer whole(plan(GetParam(), B, 1, precision)), parts(plan(GetParam(), 3, 3, precision)),
        resumed(plan(GetParam(), 1, 2, precision));
    const TemporaryFolder folder;
    train(parts, some, 3, GetParam());
    parts.save_checkpoint(folder.path() + "/checkpoint");
    resumed.resume(folder.path() + "/checkpoint");
    for (Trainer* t : {&whole, &parts, &resumed}) train(*t, some, 6, GetParam());
    EXPECT_EQ(parts.weights_hash(), whole.weights_hash());
    EXPECT_EQ(resumed.weights_hash(), whole.weights_hash());
  }
}

TEST_P(Optimizers, Learn) {
  const Text some = numbered_lines();
  Trainer t(plan(GetParam()));
  const double before = t.evaluate(some.held_out(0, 8, T)).loss;
  train(t, some, 60, GetParam());
  EXPECT_LT(t.evaluate(some.held_out(0, 8, T)).loss, 0.75 * before);
}

INSTANTIATE_TEST_SUITE_P(Each, Optimizers, testing::ValuesIn(optimizers()),
                         [](const auto& each) { return each.param; });

TEST(AdamW8Bit, EndsNearAdamWWithAQuarterOfItsState) {
  const Text some = numbered_lines();
  Trainer wide(plan("adamw")), narrow(plan("adamw8bit"));
  train(wide, some, 40, "adamw"), train(narrow, some, 40, "adamw8bit");
  EXPECT_NEAR(narrow.evaluate(some.held_out(0, 16, T)).loss, wide.evaluate(some.held_out(0, 16, T)).loss,
              0.02);
  EXPECT_LT(4 * bytes_of(narrow.plan(), "optimizer"),
            1.1 * static_cast<double>(bytes_of(wide.plan(), "optimizer")));
}

TEST(AdamW8Bit, ACodeIsTheNearestPartOfTheMap) {
  for (const bool squares : {false, true})
    for (int code = 0; code < 256; ++code) {
      if ((squares && code == 1) || (!squares && code == 0x80)) continue;  // nobody's
      const auto c = static_cast<std::uint8_t>(code);
      EXPECT_EQ(kernel::moment_code(kernel::moment_share(c, squares), squares), c) << squares;
    }
  EXPECT_EQ(kernel::moment_share(kernel::moment_code(1, true), true), 1);
  EXPECT_EQ(kernel::moment_share(kernel::moment_code(-1, false), false), -1);
  EXPECT_GT(kernel::moment_share(kernel::moment_code(1e-30f, true), true), 0) << "squares never become zero";
  EXPECT_EQ(kernel::moment_code(1e-30f, false), 0);
}

TEST(Adafactor, KeepsRowsAndColumnsAlone) {
  const std::int64_t adamw = bytes_of(plan("adamw"), "optimizer");
  EXPECT_LT(50 * bytes_of(plan("adafactor"), "optimizer"), adamw);
}

TEST(Muon, TakesTheMatricesOfHiddenLayersAlone) {
  const TrainPlan p = plan("muon");
  std::size_t matrices = 0;
  for (const auto& [name, s] : p.impl().job.shared()) {
    if (s.tensor.purpose != Purpose::optimizer) continue;
    const bool muon = name.rfind("momentum.", 0) == 0;
    const bool hidden = s.tensor.of.find(".h.") != std::string::npos && s.tensor.type.shape.rank() == 2;
    EXPECT_EQ(muon, hidden) << name;
    matrices += muon;
  }
  EXPECT_EQ(matrices, 2 * 4u);
}

// A step's size is that of a matrix whose singular values are near 1, less those that the gradient of 128
// positions hardly has, and does not depend on the gradient's.
TEST(Muon, AStepHasItsOwnSize) {
  const Text some = numbered_lines();
  const std::string name = "transformer.h.0.mlp.c_fc.weight";  // [512,128]
  for (const Precision precision : {Precision::f32, Precision::bf16})
    for (const float clip : {0.0f, 1e-2f}) {
      Trainer t(plan("muon", B, 1, precision));
      std::vector<float> before(512 * 128), after(512 * 128);
      t.read(name, before);
      t.step(some.batch(0, B, T), {.lr = 1e-2f, .clip = clip, .weight_decay = 0.0f});
      t.read(name, after);
      double squares = 0;
      for (std::size_t i = 0; i < after.size(); ++i)
        squares += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
      const double step = std::sqrt(squares) / (1e-2 * 0.2 * std::sqrt(512.0));
      EXPECT_NEAR(step / std::sqrt(128.0), 0.63, 0.03) << static_cast<int>(precision) << " " << clip;
    }
}

TEST(Muon, GivesAdamWItsOwnRate) {
  const Text some = numbered_lines();
  Trainer t(plan("muon"));
  std::vector<float> before(256 * 128), after(256 * 128);
  t.read("transformer.wte.weight", before);
  t.step(some.batch(0, B, T), {.lr = 1e-2f, .adamw_lr = 0.0f});
  t.read("transformer.wte.weight", after);
  EXPECT_EQ(after, before);
  EXPECT_THROW(t.step(some.batch(1, B, T), {.adamw_lr = -1.0f}), Error);
  Trainer other(plan("adamw"));
  EXPECT_THROW(other.step(some.batch(0, B, T), {.adamw_lr = 1e-3f}), Error);
}

}  // namespace
}  // namespace hone
