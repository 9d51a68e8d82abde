// An encoder-decoder in training: what every network promises, with padded sources, dropout and smoothed
// labels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "hone/train.hpp"
#include "kernel/cross_entropy.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6, S = 11, T = 9, V = 20;

struct Pairs {
  std::vector<std::int32_t> source, lengths, target, labels;
  Pairs() {
    Stream stream(stream_key("pairs", 0));
    const auto id = [&] { return static_cast<std::int32_t>(stream.below(V)); };
    for (std::int64_t i = 0; i < B * S; ++i) source.push_back(id());
    for (std::int32_t i = 0; i < B; ++i) lengths.push_back(1 + 2 * i);
    for (std::int64_t i = 0; i < B * T; ++i) {
      target.push_back(id());
      labels.push_back(i % T > 5 + i / T % 3 ? kernel::ignored_label : id());
    }
  }
  Samples samples() const {
    return Samples(B)
        .set("source", source)
        .set("source_lengths", lengths)
        .set("target", target)
        .set("labels", labels);
  }
};

TrainPlanOptions options(std::int64_t micro_batch = B, int threads = 1) {
  return {.batch = B, .micro_batch = micro_batch, .seq = T, .threads = threads, .sizes = {{"source_seq", S}}};
}

Model model() { return preset("transformer-tiny", {.vocab_size = V, .dropout = 0.1f, .seed = 3}); }

TEST(EncoderDecoderTraining, WeightsDependOnNeitherMicroBatchNorThreads) {
  for (const auto precision : {Precision::f32, Precision::bf16}) {
    std::string expected;
    for (const auto& [micro_batch, threads] : {std::pair(B, 1), {B, 2}, {2, 1}, {4, 2}, {1, 2}}) {
      TrainPlanOptions o = options(micro_batch, threads);
      o.precision = precision;
      o.objective = next_token({.label_smoothing = 0.1f});
      Trainer trainer(TrainPlan(model(), o));
      const Pairs pairs;
      for (int i = 0; i < 3; ++i) trainer.step(pairs.samples(), {.lr = 1e-3f, .clip = 1});
      if (expected.empty()) expected = trainer.weights_hash();
      EXPECT_EQ(trainer.weights_hash(), expected) << micro_batch << " " << threads;
    }
  }
}

// What stands behind a source's length, or behind the labels that count, is seen by nobody.
TEST(EncoderDecoderTraining, PaddingChangesNothing) {
  Pairs pairs;
  Trainer trainer(TrainPlan(model(), options()));
  const double loss = trainer.evaluate(pairs.samples()).loss;
  for (std::int64_t b = 0; b < B; ++b) {
    for (std::int64_t s = pairs.lengths[static_cast<std::size_t>(b)]; s < S; ++s)
      pairs.source[static_cast<std::size_t>(b * S + s)] = 0;
    for (std::int64_t t = T - 1; pairs.labels[static_cast<std::size_t>(b * T + t)] < 0; --t)
      pairs.target[static_cast<std::size_t>(b * T + t)] = 0;
  }
  EXPECT_EQ(trainer.evaluate(pairs.samples()).loss, loss);
  EXPECT_NEAR(loss, std::log(static_cast<double>(V)), 1.5);
}

TEST(EncoderDecoderTraining, SmoothedLabelsAreTrainingsAlone) {
  const Pairs pairs;
  TrainPlanOptions smoothed = options();
  smoothed.objective = next_token({.label_smoothing = 0.3f});
  const Model plain = preset("transformer-tiny", {.vocab_size = V});
  Trainer a(TrainPlan(plain, options())), b(TrainPlan(plain, smoothed));
  EXPECT_EQ(a.evaluate(pairs.samples()).loss, b.evaluate(pairs.samples()).loss);
  EXPECT_NE(a.step(pairs.samples(), {}).loss, b.step(pairs.samples(), {}).loss);
}

TEST(EncoderDecoderTraining, InitialValuesAreTheModulesOwn) {
  const Model tiny = preset("transformer-tiny", {.vocab_size = V});
  const auto most = [&](const std::string& name) {
    std::vector<float> values(static_cast<std::size_t>(tiny.size(name)));
    tiny.read(name, values);
    float largest = 0;
    for (const float x : values) largest = std::max(largest, std::abs(x));
    return largest;
  };
  const std::string layer = "transformer.decoder.layers.1.";
  EXPECT_NEAR(most(layer + "multihead_attn.in_proj_weight"), std::sqrt(6.0 / (4 * 128)), 1e-4);
  EXPECT_NEAR(most(layer + "linear1.weight"), std::sqrt(6.0 / (5 * 128)), 1e-4);
  EXPECT_NEAR(most(layer + "linear1.bias"), 1 / std::sqrt(128.0), 2e-3);
  EXPECT_EQ(most(layer + "self_attn.in_proj_bias"), 0);
  EXPECT_EQ(most(layer + "norm3.weight"), 1);
}

}  // namespace
}  // namespace hone
