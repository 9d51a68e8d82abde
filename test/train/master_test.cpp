// Weights in bf16 alone, rounded by drawn numbers.
#include <gtest/gtest.h>

#include "file/safetensors.hpp"
#include "temporary_folder.hpp"
#include "train/numbered_lines.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 4, T = 32;

TrainPlanOptions options(const std::string& optimizer, std::int64_t micro_batch = B, int threads = 1,
                         bool clipping = true, Precision master = Precision::bf16) {
  return {.batch = B,
          .micro_batch = micro_batch,
          .seq = T,
          .precision = Precision::bf16,
          .optimizer = optimizer,
          .threads = threads,
          .clipping = clipping,
          .master = master};
}

TrainPlan plan(const TrainPlanOptions& o) {
  return {preset("tiny", {.vocab_size = 256, .context = T, .seed = 5}), o};
}

void train(Trainer& t, const Text& text, std::int64_t to) {
  for (auto n = t.steps(); n < to; n = t.steps()) t.step(text.batch(n, B, T), {.lr = 1e-3f});
}

std::int64_t bytes_of(const TrainPlan& plan, const std::string& part) {
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : plan.impl().forecast.breakdown) sum += name == part ? bytes : 0;
  return sum;
}

TEST(Bf16Master, HasTheSameBitsHoweverAStepIsComputed) {
  const Text some = numbered_lines();
  for (const std::string optimizer : {"adamw", "adamw8bit"}) {
    Trainer whole(plan(options(optimizer))), parts(plan(options(optimizer, 3, 3))),
        inside(plan(options(optimizer, B, 2, false))), resumed(plan(options(optimizer, 1, 2)));
    const TemporaryFolder folder;
    train(parts, some, 3);
    parts.save_checkpoint(folder.path() + "/checkpoint");
    resumed.resume(folder.path() + "/checkpoint");
    for (Trainer* t : {&whole, &parts, &inside, &resumed}) train(*t, some, 6);
    for (Trainer* t : {&parts, &inside, &resumed}) EXPECT_EQ(t->weights_hash(), whole.weights_hash());
  }
}

// Steps of lr 1e-3 are a fraction of a bf16 weight's distance to its neighbour: to nearest they would be
// lost.
TEST(Bf16Master, EndsNearMastersOfF32) {
  const Text some = numbered_lines();
  Trainer wide(plan(options("adamw", B, 1, true, Precision::f32))), narrow(plan(options("adamw")));
  const Batch unseen = some.held_out(0, 16, T);
  const double before = wide.evaluate(unseen).loss;
  train(wide, some, 60), train(narrow, some, 60);
  const double gained = before - wide.evaluate(unseen).loss;
  EXPECT_GT(gained, 1);
  EXPECT_NEAR(narrow.evaluate(unseen).loss, wide.evaluate(unseen).loss, 0.05 * gained);
}

TEST(Bf16Master, TakesHalfTheBytesAndNoCopy) {
  const TrainPlan wide = plan(options("adamw", B, 1, true, Precision::f32)), narrow = plan(options("adamw"));
  EXPECT_EQ(bytes_of(narrow, "bf16 weights"), 0);
  EXPECT_LT(bytes_of(narrow, "weights"), 0.52 * static_cast<double>(bytes_of(wide, "weights")));
  // The table of positions is summed row by row, in f32.
  EXPECT_LT(bytes_of(narrow, "gradients"), 0.6 * static_cast<double>(bytes_of(wide, "gradients")));
}

// A step of 65 sequences would lose the last ones' share of a sum in bf16.
TEST(Bf16Master, KeepsSumsOfManyPiecesInF32) {
  const auto share = [&](std::int64_t batch) {
    TrainPlanOptions wide = options("adamw", 1, 1, true, Precision::f32), narrow = options("adamw", 1);
    wide.batch = narrow.batch = batch;
    return static_cast<double>(bytes_of(plan(narrow), "gradients")) /
           static_cast<double>(bytes_of(plan(wide), "gradients"));
  };
  EXPECT_LT(share(64), 0.6);
  EXPECT_EQ(share(65), 1);
}

TEST(Bf16Master, IsSavedAsItIsAndReadAgain) {
  const Text some = numbered_lines();
  const TemporaryFolder folder;
  Trainer t(plan(options("adamw")));
  train(t, some, 2);
  t.save(folder.path() + "/model");
  const std::string name = "transformer.h.0.attn.c_attn.weight";
  const SafetensorsFile file(folder.path() + "/model/model.safetensors");
  EXPECT_EQ(file.at(name).dtype, "BF16");
  EXPECT_EQ(file.at("transformer.ln_f.weight").dtype, "F32");
  const Model again = open(folder.path() + "/model");
  EXPECT_EQ(again.weights_hash(), t.weights_hash());
  EXPECT_EQ(t.model().weights_hash(), t.weights_hash());
  std::vector<float> values(static_cast<std::size_t>(again.size(name))), read = values;
  again.read(name, values), t.read(name, read);
  EXPECT_EQ(values, read);
  t.write(name, values);
  EXPECT_EQ(again.weights_hash(), t.weights_hash());
}

TEST(Bf16Master, IsForProductsInBf16AndAdamW) {
  TrainPlanOptions o = options("adamw");
  o.precision = Precision::f32;
  EXPECT_THROW(plan(o), Error);
  EXPECT_THROW(plan(options("lion")), Error);
  EXPECT_THROW(plan(options("adamw", B, 1, true, Precision::fp16)), Error);
}

}  // namespace
}  // namespace hone
