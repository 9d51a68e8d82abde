// Ranges moved from inputs into weights: the same model, inputs that reach as far as was asked for, and
// products in eight bits that lose less.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "compress/calibrate.hpp"
#include "compress/input_makers.hpp"
#include "compress/weight_values.hpp"
#include "difference.hpp"
#include "hone/error.hpp"
#include "hone/eval.hpp"
#include "hone/quantize.hpp"
#include "hone/train.hpp"
#include "model/model_impl.hpp"
#include "run/logits.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

Text text() {
  std::string all;
  for (int i = 0; i < 400; ++i)
    all += "the cat sat on the mat, and " + std::to_string(i * i % 97) + " mice ran. ";
  return Text::of(all, Tokenizer::chars(all));  // few ids, as the models of some families have
}
const CalibrationOptions sample{.windows = 4, .seq = 32};

std::vector<float> logits(const Model& model) {
  const std::int64_t seq = 40;
  const Ids ids = text().ids(0, seq);
  return logits_of(model, {1, seq, ids, Ids(ids.size(), -100)}, 1, best_isa());
}

// Channel by channel, what the products read that something in front could be divided for.
std::map<std::string, float> farthest(const Model& model) {
  std::map<std::string, float> found;
  calibrate(model, text(), sample, [&](const LayerMoments& layer) {
    for (const InputMaker& maker : input_makers(layer, Makers::values_too)) {
      const auto& largest = layer.inputs.at(maker.products.front())->largest;
      for (const std::string& name : maker.products) found[name] = *std::ranges::max_element(largest);
    }
    return NewWeights{};
  });
  return found;
}

class Smooth : public testing::TestWithParam<const char*> {
 protected:
  static Model model() { return open(std::string(HONE_TEST_DATA "/models/") + GetParam()); }
};

TEST_P(Smooth, ComputesTheSame) {
  for (const double strength : {0.3, 0.5, 0.8}) {
    const Model smoothed = smooth(model(), text(), {strength, sample});
    EXPECT_NE(smoothed.weights_hash(), model().weights_hash());
    EXPECT_LT(difference(logits(smoothed), logits(model())), 1e-5) << strength;
  }
}

// At full strength a channel is divided by its own range, heads of one group by the widest of theirs.
TEST_P(Smooth, InputsReachAsFarAsWasAskedFor) {
  const auto found = farthest(smooth(model(), text(), {1, sample}));
  int smoothed = 0;
  for (const auto& [name, most] : found)
    if (name.find("lm_head") == std::string::npos && std::abs(most - 1) < 1e-3f) ++smoothed;
  EXPECT_GE(smoothed, 2 * 2);  // of two layers, the inputs of queries and of what goes up
}
INSTANTIATE_TEST_SUITE_P(Families, Smooth,
                         testing::Values("gpt2", "llama", "llama_tied", "mistral", "qwen2", "qwen3",
                                         "gemma3_text", "olmo2"),
                         [](const auto& each) { return std::string(each.param); });

// A llama's values and what is gated too: four inputs a layer, all of them.
TEST(SmoothParts, AreNormsGatesAndValues) {
  const auto found = farthest(open(HONE_TEST_DATA "/models/llama"));
  for (const char* product : {"q_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}) {
    const auto is_one = [&](const auto& f) { return f.first.find(product) != std::string::npos; };
    EXPECT_EQ(std::ranges::count_if(found, is_one), 2) << product;
  }
}

// A trained model with channels that reach far, as large ones have: a norm's weight is large there, and what
// reads it small.
Model with_far_channels() {
  const Model llama = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  Trainer trainer(TrainPlan(llama, {.batch = 8, .seq = 32}));
  for (int n = 0; n < 120; ++n) trainer.step(text().batch(n, 8, 32), {.lr = 3e-3f, .clip = 1});
  const Model model = trainer.model();
  std::map<std::string, StoredWeight> made;
  calibrate(model, text(), sample, [&](const LayerMoments& layer) {
    for (const InputMaker& maker : input_makers(layer)) {
      if (maker.divided.size() != 1 || maker.divided[0].find("norm") == std::string::npos ||
          layer.name.empty())
        continue;
      std::vector<float> s(static_cast<std::size_t>(layer.inputs.at(maker.products[0])->width), 1.0f);
      for (std::size_t i = 3; i < s.size(); i += 40) s[i] = 1.0f / 200;
      const auto put = [&](const std::string& name, const std::vector<float>& w) {
        made.insert_or_assign(name, weight_from(model.impl().spec(name), w, DType::f32));
      };
      for (const std::string& name : maker.products) {
        std::vector<float> w = weight_values(model, name);
        multiply_columns(w, s);
        put(name, w);
      }
      std::vector<float> w = weight_values(model, maker.divided[0]);
      divide_rows(w, s, maker.offset);
      put(maker.divided[0], w);
    }
    return NewWeights{};
  });
  return with_weights(model, model.impl().store.with_stored(std::move(made)));
}

double loss(const Model& model, bool int8) {
  return evaluate(model, text(), {.seq = 32, .max_tokens = 512, .int8 = int8}).loss;
}

TEST(SmoothInt8, LosesLessWhereChannelsReachFar) {
  const Model model = with_far_channels();
  const double whole = loss(model, false), coded = loss(model, true) - whole;
  const Model smoothed = smooth(model, text(), {0.5, sample});
  EXPECT_NEAR(loss(smoothed, false), whole, 1e-4);
  const double after = loss(smoothed, true) - whole;
  RecordProperty("plain", std::to_string(coded));
  RecordProperty("smoothed", std::to_string(after));
  EXPECT_GT(coded, 0.01) << "not far enough to say anything";
  EXPECT_LT(after, 0.25 * coded);
}

TEST(SmoothInt8, IsTakenByQuantize) {
  const Model model = with_far_channels();
  const Text sampled = text();
  const Quantized q = quantize(model, &sampled, {.bits = 8, .smooth = 0.5, .sample = sample});
  const Quantized plain = quantize(model, &sampled, {.bits = 8, .sample = sample});
  EXPECT_NE(q.model.weights_hash(), plain.model.weights_hash());
  const double whole = loss(model, false);
  EXPECT_LT(std::abs(loss(q.model, true) - whole), std::abs(loss(plain.model, true) - whole) + 1e-3);
}

TEST(SmoothErrors, AreSaid) {
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  const Text sampled = text();
  EXPECT_THROW(smooth(model, sampled, {1.5, sample}), Error);
  EXPECT_THROW(quantize(model, nullptr, {.bits = 8, .smooth = 0.5}), Error);
  EXPECT_THROW(quantize(model, &sampled, {.bits = 8, .smooth = -1}), Error);
  const Quantized q = quantize(model, nullptr, {.bits = 8});
  EXPECT_THROW(smooth(q.model, sampled, {0.5, sample}), Error);
}

}  // namespace
}  // namespace hone
