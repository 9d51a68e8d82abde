// An adapter over a frozen base that is computed from where it lies: a GGUF file's blocks, and bf16 weights.
#include <gtest/gtest.h>

#include <cmath>

#include "file/gguf.hpp"
#include "hone/convert.hpp"
#include "hone/lora.hpp"
#include "model/model_impl.hpp"
#include "tiny_gpt2.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 4, T = 16;
const std::string llama = HONE_TEST_DATA "/models/llama", llama_adapter = HONE_TEST_DATA "/adapters/llama";

class LoraOver : public testing::TestWithParam<const char*> {
 protected:
  LoraOver() { convert(llama, file_, {.type = GetParam()}); }
  Model adapted() const { return with_lora(open(file_), {.rank = 4, .dropout = 0.1f, .base = file_}); }
  TrainPlan planned(const Model& model, TrainPlanOptions o = {}) const {
    o.batch = B, o.seq = T;
    if (o.threads == 0) o.threads = 1;
    return {model, o};
  }
  void train(Trainer& t, std::int64_t to) const {
    for (auto n = t.steps(); n < to; n = t.steps())
      t.step(toy_batch(n, B, T, t.plan().model().vocab_size()), {.lr = 1e-2f, .clip = 1});
  }
  TemporaryFolder folder_;
  std::string file_ = folder_.file("base.gguf");
};

TEST_P(LoraOver, LearnsWithTheSameBitsAndLittleMemory) {
  const Model model = adapted();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Trainer whole(planned(model, {.micro_batch = B, .precision = precision})),
        parts(planned(model, {.micro_batch = 1, .precision = precision, .threads = 2}));
    const Batch unseen = toy_batch(77, B, T, model.vocab_size());
    const double before = whole.evaluate(unseen).loss;
    train(whole, 12), train(parts, 12);
    EXPECT_LT(whole.evaluate(unseen).loss, before);
    EXPECT_EQ(whole.weights_hash(), parts.weights_hash()) << name(precision);
    EXPECT_GT(whole.plan().forecast().mapped_bytes, 0);
  }
}

// The steps over blocks are those over the same numbers in f32, but for rounding.
TEST_P(LoraOver, IsAsOverTheSameNumbersInF32) {
  const std::string wide = folder_.file("wide");
  convert(file_, wide, {.type = "f32"});
  const LoraOptions o{.rank = 4};
  Trainer low(planned(with_lora(open(file_), o))), high(planned(with_lora(open(wide), o)));
  for (int n = 0; n < 6; ++n) {
    const Batch batch = toy_batch(n, B, T, low.plan().model().vocab_size());
    EXPECT_NEAR(low.step(batch, {.lr = 1e-2f}).loss, high.step(batch, {.lr = 1e-2f}).loss, 2e-4);
  }
}

TEST_P(LoraOver, IsSavedResumedAndMerged) {
  Trainer t(planned(adapted()));
  train(t, 4);
  t.save_checkpoint(folder_.file("checkpoint"));
  t.save(folder_.file("adapter"));
  Trainer again(planned(adapted()));
  again.resume(folder_.file("checkpoint"));
  EXPECT_EQ(again.weights_hash(), t.weights_hash());
  const Model model = open(folder_.file("adapter"));
  EXPECT_EQ(model.weights_hash(), t.weights_hash());
  merge(model, folder_.file("merged"), Precision::f32);
  const Batch batch = toy_batch(5, B, T, model.vocab_size());
  EXPECT_NEAR(Trainer(planned(open(folder_.file("merged")))).evaluate(batch).loss, t.evaluate(batch).loss,
              1e-4);
}

INSTANTIATE_TEST_SUITE_P(Each, LoraOver, testing::Values("q8_0", "q4_0", "bf16"),
                         [](const auto& each) { return std::string(each.param); });

TEST(AdapterGguf, HasLlamaCppsNamesAndOrder) {
  const TemporaryFolder folder;
  const std::string path = folder.file("adapter.gguf");
  convert(llama_adapter, path);
  const GgufFile file(path);
  EXPECT_EQ(file.text("general.type"), "adapter");
  EXPECT_EQ(file.text("adapter.type"), "lora");
  EXPECT_EQ(file.text("general.architecture"), "llama");
  const Model model = open(llama_adapter);
  const auto values = [&](const std::string& name) {
    const GgufTensor& t = file.at(name);
    const auto bytes = file.bytes(t);
    return std::vector<float>(reinterpret_cast<const float*>(bytes.data()),
                              reinterpret_cast<const float*>(bytes.data() + bytes.size()));
  };
  const auto own = [&](const std::string& name) {
    std::vector<float> v(static_cast<std::size_t>(model.size(name)));
    model.read(name, v);
    return v;
  };
  const std::string q = "model.layers.0.self_attn.q_proj", up = "model.layers.1.mlp.up_proj";
  EXPECT_EQ(values("blk.0.attn_q.weight.lora_a"), own(lora_a_name(q)));
  EXPECT_EQ(values("blk.1.ffn_up.weight.lora_b"), own(lora_b_name(up)));
  const auto halves = own(lora_b_name(q)), pairs = values("blk.0.attn_q.weight.lora_b");
  EXPECT_NE(pairs, halves) << "queries in pairs of neighbours";
  EXPECT_EQ(pairs[0], halves[0]);
  EXPECT_THROW(convert(HONE_TEST_DATA "/adapters/gpt2", path), Error);
  EXPECT_THROW(convert(llama_adapter, folder.file("no_gguf")), Error);
}

}  // namespace
}  // namespace hone
