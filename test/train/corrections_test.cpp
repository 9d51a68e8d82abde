// Training of corrections alone, beside weights in few bits and sparse: they learn, all else keeps its bits
// and its storage, in checkpoints too.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "hone/compress.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"
#include "hone/sparse.hpp"
#include "hone/training_run.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t V = 67, B = 4, T = 20;

// Half of its weights zero, the others in four bits, in sparse storage, with corrections.
Model small(std::int64_t rank = 4) {
  const Model whole = TinyGpt2{.heads = 2, .width = 64, .dropout = 0}.model();
  const Model half = prune(whole, {.sparsity = 0.5}).model;
  const Quantized q = quantize(
      half, nullptr, {.bits = 4, .group = 64, .symmetric = true, .correction = {.rank = rank, .of = whole}});
  return store_sparse(q.model).model;
}

std::string values(const Model& model, const std::string& name) {
  std::vector<float> v(static_cast<std::size_t>(model.size(name)));
  model.read(name, v);
  return {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)};
}

void train(Trainer& t, std::int64_t to) {
  for (auto n = t.steps(); n < to; n = t.steps()) t.step(toy_batch(n, B, T, V), {.lr = 1e-2f, .clip = 1});
}

TEST(TrainedCorrections, LearnAndLeaveAllElse) {
  const Model model = with_corrections_trained(small());
  const std::set<std::string> corrections = correction_names(model);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const auto plan = [&](std::int64_t micro_batch, int threads) {
      return TrainPlan(
          model,
          {.batch = B, .micro_batch = micro_batch, .seq = T, .precision = precision, .threads = threads});
    };
    Trainer whole(plan(B, 1)), parts(plan(1, 2));
    const Batch unseen = toy_batch(77, B, T, V);
    const double before = whole.evaluate(unseen).loss;
    train(whole, 25), train(parts, 25);
    EXPECT_LT(whole.evaluate(unseen).loss, before - 0.1);
    EXPECT_EQ(whole.weights_hash(), parts.weights_hash());
    const Model made = whole.model();
    EXPECT_EQ(made.weights_hash(), whole.weights_hash());
    for (const WeightInfo& w : model.weights()) {
      const bool same = values(model, w.name) == values(made, w.name);
      EXPECT_NE(same, corrections.contains(w.name)) << w.name;
    }
  }
}

TEST(TrainedCorrections, AreSavedBesideTheSameStorage) {
  const TemporaryFolder folder;
  const Model begun = small(), model = with_corrections_trained(begun);
  Trainer t(TrainPlan(model, {.batch = B, .seq = T, .threads = 1}));
  train(t, 3);
  t.save(folder.file("healed"));
  t.save_checkpoint(folder.file("checkpoint"));
  for (const char* name : {"healed", "checkpoint"}) {
    const Model opened = open(folder.file(name));
    EXPECT_EQ(opened.weights_hash(), t.weights_hash()) << name;
    EXPECT_EQ(opened.impl().store.trees().size(), begun.impl().store.trees().size());
    std::int64_t numbers = 0;
    for (const std::string& one : correction_names(model)) numbers += model.size(one);
    EXPECT_EQ(weight_bytes(opened), weight_bytes(begun) + 2 * numbers);  // f32, where they were bf16
  }
  train(t, 6);
  Trainer again(TrainPlan(model, {.batch = B, .seq = T, .threads = 1}));
  again.resume(folder.file("checkpoint"));
  train(again, 6);
  EXPECT_EQ(again.weights_hash(), t.weights_hash());
}

// In bf16 alone they take the bytes that they had.
TEST(TrainedCorrections, MayStayInBf16) {
  const TemporaryFolder folder;
  const Model model = with_corrections_trained(small());
  Trainer t(TrainPlan(
      model, {.batch = B, .seq = T, .precision = Precision::bf16, .threads = 1, .master = Precision::bf16}));
  train(t, 3);
  t.save(folder.file("healed"));
  const Model opened = open(folder.file("healed"));
  EXPECT_EQ(opened.weights_hash(), t.weights_hash());
  EXPECT_EQ(weight_bytes(opened), weight_bytes(small()));
}

TEST(TrainedCorrections, TakeLittleMemory) {
  const Model model = small(), alone = with_corrections_trained(model);
  const auto bytes = [](const Model& m) {
    return TrainPlan(m, {.batch = B, .seq = T, .threads = 1}).forecast().arena_bytes;
  };
  EXPECT_LT(bytes(alone), bytes(model) - 3 * 4 * 64 * 64);  // gradients and moments of what is frozen
}

TEST(TrainedCorrections, ARunGoesOnOnlyAsItself) {
  const TemporaryFolder folder;
  const Model whole = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  quantize(whole, nullptr, {.bits = 2, .group = 32, .correction = {.rank = 4}})
      .model.save(folder.file("small"));
  std::string text;
  for (int i = 0; i < 600; ++i) text += "a line of text, number " + std::to_string(i) + "\n";
  TrainingRun run{.model = folder.file("small"),
                  .data = folder.write("text.txt", text),
                  .out = folder.file("healed"),
                  .tokenizer = "byte",
                  .steps = 4};
  run.plan = {.batch = 2, .seq = 32, .threads = 1};
  run.warmup = 0, run.trained = "corrections";
  const RunSummary done = train(run);
  EXPECT_EQ(open(run.out).weights_hash(), done.weights_hash);
  EXPECT_EQ(train(run).weights_hash, done.weights_hash);
  TrainingRun other = run;
  other.trained = "all";
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(other); }).find("--train"), std::string::npos);
  other.out = folder.file("other"), other.trained = "correction";
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(other); }).find("corrections"), std::string::npos);
  other.trained = "corrections", other.lora = LoraOptions{};
  error_of(ErrorKind::usage, [&] { train(other); });
  other.lora.reset(), other.model = "llama-tiny";
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(other); }).find("no corrections"), std::string::npos);
}

}  // namespace
}  // namespace hone
