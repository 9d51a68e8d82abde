// Training through rounded weights: products read the rounded ones, gradients reach the ones behind them.
#include "pass/simulate_codes.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "hone/text.hpp"
#include "hone/train.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

constexpr const char* weight = "model.layers.0.mlp.up_proj.weight";

Model simulating(const Model& model, float scale) {
  const Model with = with_pass(model, [](Program& p, const BuildOptions&) {
    simulate_codes(p, {{weight, {.group = 64, .levels = 4}}});
  });
  const auto all = [&](const std::string& name, float value) {
    const std::vector<float> values(static_cast<std::size_t>(with.size(name)), value);
    const auto bytes = std::as_bytes(std::span(values));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  return with_weights(
      with, with.impl().store.with({{scales_name(weight), all(scales_name(weight), scale)},
                                    {minima_name(weight), all(minima_name(weight), -1.5f * scale)}}));
}

float loss_after(const Model& model, int steps, Precision precision) {
  const Text text = Text::of(std::string(3000, 'a') + "bcdefgh" + std::string(3000, 'z'));
  Trainer trainer(TrainPlan(model, {.batch = 4, .seq = 16, .precision = precision}));
  float loss = 0;
  for (int n = 0; n < steps; ++n) loss = trainer.step(text.batch(n, 4, 16), {.lr = 1e-3f}).loss;
  return loss;
}

TEST(SimulateCodes, ALossIsThatOfTheRoundedWeights) {
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 4});
  const float scale = 0.02f;
  std::vector<float> w(static_cast<std::size_t>(model.size(weight)));
  model.read(weight, w);
  for (float& x : w)
    x = scale * (std::nearbyint(std::fmin(std::fmax((x + 1.5f * scale) / scale, 0.0f), 3.0f))) - 1.5f * scale;
  const auto bytes = std::as_bytes(std::span(w));
  const Model rounded =
      with_weights(model, model.impl().store.with({{weight, {bytes.begin(), bytes.end()}}}));
  for (const Precision precision : {Precision::f32, Precision::bf16})
    EXPECT_EQ(loss_after(simulating(model, scale), 1, precision), loss_after(rounded, 1, precision));
}

TEST(SimulateCodes, WeightsBehindTheCodesAreTrained) {
  const Model model = simulating(preset("llama-tiny", {.vocab_size = 256, .seed = 4}), 0.02f);
  for (const Precision precision : {Precision::f32, Precision::bf16})
    EXPECT_LT(loss_after(model, 30, precision), loss_after(model, 1, precision) - 1);
  Trainer trainer(TrainPlan(model, {.batch = 2, .seq = 16}));
  const Text text = Text::of(std::string(400, 'a'));
  trainer.step(text.batch(0, 2, 16), {.lr = 1e-2f});
  const Model after = trainer.model();
  const auto values = [](const Model& m, const std::string& name) {
    std::vector<float> v(static_cast<std::size_t>(m.size(name)));
    m.read(name, v);
    return v;
  };
  EXPECT_NE(values(after, weight), values(model, weight));
  EXPECT_EQ(values(after, scales_name(weight)), values(model, scales_name(weight)));
}

}  // namespace
}  // namespace hone
