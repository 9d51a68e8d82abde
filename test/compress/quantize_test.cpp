// Quantized models: what they weigh, what they keep of the model, what is refused.
#include "hone/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "compress/awq.hpp"
#include "compress/bit_mix.hpp"
#include "compress/coded_weights.hpp"
#include "hone/compare.hpp"
#include "hone/error.hpp"
#include "hone/train.hpp"
#include "model/model_impl.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string prose() {
  std::string text;
  for (int i = 0; i < 400; ++i)
    text += "the cat sat on the mat, and " + std::to_string(i * i % 97) + " mice ran. ";
  return text;
}

Model llama() { return preset("llama-tiny", {.vocab_size = 256, .seed = 5}); }
constexpr std::int64_t seq = 32;

Text text() { return Text::of(prose()); }
// Methods that look at inputs need a model that has learnt something.
const Model& trained() {
  static const Model model = [] {
    Trainer trainer(TrainPlan(llama(), {.batch = 8, .seq = seq}));
    for (int n = 0; n < 120; ++n) trainer.step(text().batch(n, 8, seq), {.lr = 3e-3f, .clip = 1});
    return trainer.model();
  }();
  return model;
}
QuantizeOptions with(const char* method, double bits) {
  return {.method = method, .bits = bits, .sample = {.windows = 16, .seq = seq}};
}
double kl(const Model& model, const Quantized& q) {
  return compare(model, q.model, text(), {.seq = seq, .max_tokens = 512}).kl;
}

TEST(Quantize, MoreBitsAreNearerToTheModel) {
  const Model& model = trained();
  const Text sample = text();
  for (const std::string method : {"rtn", "gptq", "awq"}) {
    double before = 1e9;
    for (const double bits : {2.0, 4.0, 8.0}) {
      const double now = kl(model, quantize(model, &sample, with(method.c_str(), bits)));
      EXPECT_LT(now, before) << method << ", " << bits << " bits";
      before = now;
    }
    EXPECT_LT(before, 1e-3) << method;
  }
}

TEST(Quantize, RefinedCodesAreNearerThanThoseThatTheyBeganAs) {
  const Model& model = trained();
  const Text sample = text();
  QuantizeOptions o = with("refined", 2);
  o.refine = {.steps = 100, .batch = 8, .seq = seq, .lr = 1e-4f, .alpha = 1};
  EXPECT_LT(kl(model, quantize(model, &sample, o)),
            0.7 * kl(model, quantize(model, &sample, with("gptq", 2))));
}

TEST(Quantize, WhatLearnsFromATextIsNearer) {
  const Model& model = trained();
  const Text sample = text();
  const double nearest = kl(model, quantize(model, nullptr, with("rtn", 3)));
  for (const char* method : {"gptq", "awq"})
    EXPECT_LT(kl(model, quantize(model, &sample, with(method, 3))), 0.7 * nearest) << method;
}

// What AWQ folds into norms and gated products is taken out again by those who read them.
TEST(Quantize, ScalingChannelsChangesNothingButTheRounding) {
  for (const char* family : {"llama-tiny", "tiny"}) {
    const Model model = preset(family, {.vocab_size = 256, .seed = 6});
    const Text sample = text();
    EXPECT_LT(kl(model, quantize(model, &sample, with("awq", 8))), 1e-4) << family;
  }
}

TEST(Quantize, InputsThatCanBeDividedAreThoseOfNormsAndGates) {
  const Model model = llama();
  calibrate(model, text(), {.windows = 1, .seq = 16}, [&](const LayerMoments& layer) {
    if (layer.name != "model.layers.0") return NewWeights{};
    std::map<std::vector<std::string>, std::vector<std::string>> found;
    for (const InputMaker& m : input_makers(layer)) found[m.products] = m.divided;
    const std::string at = "model.layers.0.";
    EXPECT_EQ((found[{at + "self_attn.q_proj.weight", at + "self_attn.k_proj.weight",
                      at + "self_attn.v_proj.weight"}]),
              std::vector<std::string>{at + "input_layernorm.weight"});
    EXPECT_EQ((found[{at + "mlp.down_proj.weight"}]), std::vector<std::string>{at + "mlp.up_proj.weight"});
    EXPECT_EQ(found.size(), 3u);
    return NewWeights{};
  });
}

TEST(Quantize, AMixHasTheBitsThatWereAskedFor) {
  const Model model = llama();
  const QuantizeOptions o = with("gptq", 3.25);
  ASSERT_TRUE(is_mix(o));
  const auto bits = mixed_bits(model, text(), o);
  std::int64_t sum = 0, elements = 0;
  std::set<int> kinds;
  for (const MatrixWeight& w : matrices_of(model)) {
    if (w.table) continue;
    sum += bits.at(w.name) * w.rows * w.columns, elements += w.rows * w.columns;
    kinds.insert(bits.at(w.name));
  }
  const double mean = static_cast<double>(sum) / static_cast<double>(elements);
  EXPECT_LE(mean, 3.25);
  EXPECT_GT(mean, 2.9);
  EXPECT_GT(kinds.size(), 1u);
}

TEST(Quantize, ASizeIsKept) {
  const Model model = llama();
  QuantizeOptions o = with("rtn", 4);
  const Text sample = text();
  o.size_bytes = 250'000;
  const TemporaryFolder folder;
  const Quantized small = quantize(model, &sample, o);
  small.model.save(folder.path() + "/small");
  std::int64_t bytes = 0;
  const auto types = small.model.impl().store.stored_types();
  for (const ParameterSpec& spec : small.model.impl().specs)
    bytes += TensorType{spec.shape, types.contains(spec.name) ? types.at(spec.name) : DType::f32}.bytes();
  EXPECT_LE(bytes, 250'000);
  EXPECT_GT(bytes, 200'000);
  o.size_bytes = 10'000;
  try {
    quantize(model, &sample, o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::budget);
    EXPECT_NE(std::string(e.what()).find("bytes or more"), std::string::npos) << e.what();
  }
}

// Rows of 128 in groups of 128, of 48 in none at all.
TEST(Quantize, WidthsThatNoGroupDividesAreSaid) {
  const Model model(
      [](Builder& b, Tensor tokens) {
        const auto x = embedding(tokens, b.parameter("table", {32, 96}));
        return linear(linear(relu(linear(x, "in", 48)), "mid", 96), "head", 32);
      },
      {.vocab_size = 32, .context = 16});
  const Quantized q = quantize(model, nullptr, {.bits = 4, .group = 128});
  EXPECT_EQ(q.notes.size(), 2u);
  EXPECT_NE(q.notes[0].find("groups of 32"), std::string::npos) << q.notes[0];
  EXPECT_NE(q.notes[1].find("stay in bf16"), std::string::npos) << q.notes[1];
}

TEST(Quantize, ASavedModelIsTheSame) {
  const Model model = llama();
  const Text sample = text();
  const TemporaryFolder folder;
  const Quantized q = quantize(model, &sample, with("gptq", 3));
  q.model.save(folder.path() + "/small");
  EXPECT_EQ(open(folder.path() + "/small").weights_hash(), q.model.weights_hash());
}

void expect_refused(const Model& model, const Text* sample, const QuantizeOptions& o, ErrorKind kind,
                    const char* what) {
  try {
    quantize(model, sample, o);
    FAIL() << what;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind);
    EXPECT_NE(std::string(e.what()).find(what), std::string::npos) << e.what();
  }
}

TEST(Quantize, BadInputIsRefused) {
  const Model model = llama();
  const Text sample = text();
  expect_refused(model, nullptr, {.method = "gptq"}, ErrorKind::usage, "learns from a text");
  expect_refused(model, nullptr, {.bits = 3.5}, ErrorKind::usage, "a mix of bits");
  expect_refused(model, nullptr, {.method = "gtpq"}, ErrorKind::usage, "did you mean gptq");
  expect_refused(model, nullptr, {.bits = 1}, ErrorKind::usage, "2 to 8");
  expect_refused(model, nullptr, {.group = 48}, ErrorKind::usage, "32, 64 or 128");
  expect_refused(model, nullptr, {.table_bits = 5}, ErrorKind::usage, "table_bits");
  expect_refused(quantize(model, nullptr, {}).model, nullptr, {}, ErrorKind::input, "quantized already");
}

}  // namespace
}  // namespace hone
