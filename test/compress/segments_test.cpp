// A program cut into layers computes what the whole does, to the bit.
#include "compress/segments.hpp"

#include <gtest/gtest.h>

#include <map>

#include "exec/feed.hpp"
#include "model/model_impl.hpp"
#include "model/model_weights.hpp"
#include "pass/pipeline.hpp"

namespace hone {
namespace {

constexpr std::int64_t batch = 2, seq = 12;

Program forward_of(const Model& model) {
  Forward forward = model.impl().write({.batch = batch, .seq = seq});
  run_pipeline(forward.program, {.use = PipelineOptions::Use::evaluate});
  return forward.program;
}

// The outputs of a program, by name, with what the samples have for its inputs.
std::map<std::string, std::vector<float>> run(const Model& model, Program p, const Samples& samples) {
  remove_dead(p);
  verify(p);
  const JobPlan job({p}, {.threads = 2}, weight_names(p));
  const ModelWeights weights(model, {&p, 1}, job);
  Executor executor(job, weights.tensors());
  feed(executor, 0, samples, {});
  executor.run(0);
  std::map<std::string, std::vector<float>> made;
  for (const Output& output : executor.plan().programs()[0].outputs) {
    const auto values = executor.output_view<float>(0, output.name);
    made[output.name] = {values.begin(), values.end()};
  }
  return made;
}

void expect_same(const std::string& preset_name) {
  const Model model = preset(preset_name, {.vocab_size = 40, .seed = 3});
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < batch * seq; ++i) ids.push_back(i * 7 % 40);
  const Program whole = forward_of(model);
  const auto expected = run(model, whole, Samples(batch).set("tokens", std::span<const std::int32_t>(ids)));

  std::vector<Segment> segments = segments_of(whole);
  segments.back().program.outputs = whole.outputs;
  std::map<std::string, std::vector<float>> between;
  for (const Segment& s : segments) {
    Samples samples(batch);
    samples.set("tokens", std::span<const std::int32_t>(ids));
    for (const auto& [name, values] : between) samples.set(name, std::span<const float>(values));
    for (auto& [name, values] : run(model, s.program, samples)) between[name] = std::move(values);
  }
  EXPECT_EQ(between.at("logits"), expected.at("logits"));
}

TEST(Segments, ComputeWhatTheWholeDoes) {
  expect_same("tiny");
  expect_same("llama-tiny");
}

TEST(Segments, AreTheLayersAndWhatStandsAround) {
  std::vector<std::string> names;
  for (const Segment& s : segments_of(forward_of(preset("llama-tiny", {.vocab_size = 40}))))
    names.push_back(s.name);
  const std::vector<std::string> some(names.begin(), names.begin() + 2);
  EXPECT_EQ(some, (std::vector<std::string>{"", "model.layers.0"}));
  EXPECT_EQ(names.back(), "");
}

TEST(Segments, ALayerIsTheScopeUpToItsFirstNumber) {
  EXPECT_EQ(layer_of("model.layers.13.self_attn"), "model.layers.13");
  EXPECT_EQ(layer_of("h.0"), "h.0");
  EXPECT_EQ(layer_of("encoder.layers.2.experts.5"), "encoder.layers.2");
  EXPECT_EQ(layer_of("model.norm"), "");
  EXPECT_EQ(layer_of(""), "");
}

}  // namespace
}  // namespace hone
