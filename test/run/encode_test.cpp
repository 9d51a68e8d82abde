// Networks without a cache: the library's encoder, in f32 and in int8.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "hone/bench.hpp"
#include "hone/encode.hpp"
#include "machine/isa.hpp"
#include "vector_isas.hpp"

namespace hone {
namespace {

const EncoderShape small{2, 48, 4, 96};

std::vector<float> drawn(std::int64_t n) {
  Stream stream(stream_key("x", 3));
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = stream.normal();
  return x;
}

std::vector<float> states(const Model& model, const EncodeOptions& o, std::int64_t count,
                          std::int64_t width) {
  Encoder encoder{EncodePlan(model, o)};
  const std::vector<float> x = drawn(count * o.seq * width);
  encoder.run(Samples(count).set("x", std::span<const float>(x)));
  const auto y = encoder.output("states").first(x.size());
  return {y.begin(), y.end()};
}

double error(const std::vector<float>& found, const std::vector<float>& expected) {
  double squares = 0, all = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    squares += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
    all += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(squares / all);
}

TEST(Encoder, Int8StaysNearTheLayersInF32) {
  const Model model = encoder_layers(small);
  const EncodeOptions o{.batch = 3, .seq = 20};
  const auto exact = states(model, o, 3, small.width);
  EncodeOptions int8 = o;
  int8.int8 = true;
  const double off = error(states(model, int8, 3, small.width), exact);
  EXPECT_GT(off, 1e-4);  // else nothing was quantized
  EXPECT_LT(off, 0.015);
}

// Enough rows that results are quantized within their tasks, and few, where they wait for each other.
TEST(Encoder, Int8HasTheSameBitsForAnyThreadsSamplesAndInstructionSet) {
  const Model model = encoder_layers(small);
  for (const std::int64_t batch : {1, 40}) {
    EncodeOptions o{.batch = batch, .seq = 20, .int8 = true, .threads = 1};
    const auto one = states(model, o, batch, small.width);
    o.threads = 3;
    EXPECT_EQ(states(model, o, batch, small.width), one);
    o.batch = batch + 2;
    EXPECT_EQ(states(model, o, batch, small.width), one);
    o.batch = batch;
    for (const Isa isa : vector_isas()) {
      o.isa = name(isa);
      EXPECT_EQ(states(model, o, batch, small.width), one) << o.isa;
    }
  }
}

TEST(Encoder, WhatOnlyAProductReadsIsQuantizedByTheProductThatMakesIt) {
  const std::string program = EncodePlan(encoder_layers(small), {.batch = 2, .seq = 8, .int8 = true}).print();
  const auto count = [&](const std::string& what) {
    int n = 0;
    for (auto at = program.find(what); at != std::string::npos; at = program.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("int8_linear"), 2 * 6) << program;
  EXPECT_EQ(count("quantize_rows"), 2 * 3) << program;  // x, attention's result, the first norm's
  EXPECT_EQ(count(" linear"), 0) << program;
}

TEST(Encoder, AnyWidthIsMultipliedInInt8) {
  const EncoderShape odd{1, 30, 5, 60};
  const Model model = encoder_layers(odd);
  const std::string program = EncodePlan(model, {.batch = 1, .seq = 4, .int8 = true}).print();
  EXPECT_NE(program.find("int8_linear"), std::string::npos);
  EXPECT_EQ(program.find(" linear("), std::string::npos) << program;
  EXPECT_LT(error(states(model, {.batch = 1, .seq = 4, .int8 = true}, 1, 30),
                  states(model, {.batch = 1, .seq = 4}, 1, 30)),
            0.015);
}

TEST(Encoder, WhatDoesNotFitIsRefused) {
  const Model model = encoder_layers(small);
  EXPECT_THROW(EncodePlan(model, {.batch = 0}), Error);
  EXPECT_THROW(EncodePlan(model, {.seq = 0}), Error);
  Encoder encoder{EncodePlan(model, {.batch = 2, .seq = 8})};
  const std::vector<float> x = drawn(3 * 8 * small.width);
  EXPECT_THROW(encoder.run(Samples(3).set("x", std::span<const float>(x))), Error);
  try {
    encoder.output("state");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("states"), std::string::npos) << e.what();
  }
  EXPECT_THROW(encoder_shape("minilmm"), Error);
}

// What the plan counts is what it holds: the weights, in their four bytes or in one.
TEST(Encoder, ForecastsItsArenaAndSaysHowItIsSpent) {
  const Model model = encoder_layers(small);
  std::int64_t weights[2] = {};
  for (const bool int8 : {false, true}) {
    const Forecast forecast = EncodePlan(model, {.batch = 3, .seq = 7, .int8 = int8}).forecast();
    std::int64_t sum = 0;
    for (const auto& [part, bytes] : forecast.breakdown) {
      sum += bytes;
      if (part == "weights") weights[int8] = bytes;
    }
    EXPECT_EQ(sum, forecast.peak_bytes);
  }
  const std::int64_t matrices = 2 * (4 * 48 * 48 + 2 * 48 * 96);
  EXPECT_GE(weights[false], 4 * matrices);
  EXPECT_LT(weights[true], 2 * matrices);
}

}  // namespace
}  // namespace hone
