#include "compress/sparsegpt.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "compress/gptq.hpp"
#include "compress/weight_values.hpp"
#include "hone/prune.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t rows = 24, columns = 200, positions = 400;

std::vector<float> random(const char* name, std::size_t count) {
  std::vector<float> values(count);
  Stream stream(stream_key(name, 1));
  for (float& x : values) x = stream.normal();
  return values;
}

// Of inputs that follow from half as many, of unlike sizes.
Moments some_moments() {
  const auto mix = random("mix", columns * columns / 2), from = random("x", positions * columns / 2);
  Moments m{.width = columns, .positions = positions};
  std::vector<float> x(positions * columns);
  for (std::int64_t t = 0; t < positions; ++t)
    for (std::int64_t c = 0; c < columns; ++c) {
      float sum = 0;
      for (std::int64_t k = 0; k < columns / 2; ++k)
        sum += from[static_cast<std::size_t>(t * columns / 2 + k)] *
               mix[static_cast<std::size_t>(c * columns / 2 + k)];
      x[static_cast<std::size_t>(t * columns + c)] = sum * static_cast<float>(c % 7 + 1);
    }
  m.sum.assign(columns * columns, 0);
  for (std::int64_t t = 0; t < positions; ++t)
    for (std::int64_t i = 0; i < columns; ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        m.sum[static_cast<std::size_t>(i * columns + j)] +=
            x[static_cast<std::size_t>(t * columns + i)] * x[static_cast<std::size_t>(t * columns + j)];
  return m;
}

TEST(SparseGpt, MakesGoodWhatGoes) {
  ThreadPool pool(2);
  const Moments m = some_moments();
  const std::vector<float> w = random("w", rows * columns);
  for (const char* pattern : {"unstructured", "2:4", "4x1"}) {
    std::vector<float> scores(w.size()), plain = w, good = w;
    for (std::size_t i = 0; i < w.size(); ++i)
      scores[i] = std::abs(w[i]) * std::sqrt(m.at(i % columns, i % columns));
    const auto mask = kept(scores, rows, columns, *find_pattern(pattern), 0.5);
    for (std::size_t i = 0; i < w.size(); ++i)
      if (!mask[i]) plain[i] = 0;
    sparsegpt(good, rows, m, {*find_pattern(pattern), 0.5}, best_isa(), pool);
    EXPECT_NEAR(static_cast<double>(std::ranges::count(good, 0.0f)), rows * columns / 2, columns) << pattern;
    EXPECT_LT(output_error(w, good, rows, m, best_isa(), pool),
              0.6 * output_error(w, plain, rows, m, best_isa(), pool))
        << pattern;
    if (std::string(pattern) != "2:4") continue;
    for (std::size_t i = 0; i < good.size(); i += 4)
      ASSERT_EQ(std::count(good.begin() + static_cast<std::ptrdiff_t>(i),
                           good.begin() + static_cast<std::ptrdiff_t>(i) + 4, 0.0f),
                2)
          << i;
  }
}

TEST(SparseGpt, OfInputsThatTellNothingOfEachOtherTheSmallestGoAndTheRestStays) {
  ThreadPool pool(1);
  Moments m{.width = 64, .positions = 10, .sum = std::vector<float>(64 * 64)};
  for (std::size_t i = 0; i < 64; ++i) m.sum[i * 65] = 10;
  const std::vector<float> w = random("w", rows * 64);
  std::vector<float> good = w, sizes(w.size());
  std::ranges::transform(w, sizes.begin(), [](float x) { return std::abs(x); });
  sparsegpt(good, rows, m, {*find_pattern("unstructured"), 0.5}, best_isa(), pool);
  const auto mask = kept(sizes, rows, 64, *find_pattern("unstructured"), 0.5);
  for (std::size_t i = 0; i < w.size(); ++i) ASSERT_EQ(good[i], mask[i] ? w[i] : 0.0f) << i;
}

TEST(SparseGpt, AnyThreadsTheSameModel) {
  std::string words;
  for (int i = 0; words.size() < 2000; ++i) words += "line " + std::to_string(i * i) + " of a text\n";
  const Text text = Text::of(words, Tokenizer::chars(words));
  const Model model = TinyGpt2{}.model();
  for (const char* method : {"wanda", "ria", "sparsegpt"})
    for (const char* pattern : {"unstructured", "2:4", "16x1"}) {
      const auto pruned = [&](int threads) {
        return prune(
            model, text,
            {.method = method, .pattern = pattern, .sample = {.windows = 8, .seq = 32, .threads = threads}});
      };
      const Pruned one = pruned(1);
      EXPECT_EQ(one.model.weights_hash(), pruned(3).model.weights_hash()) << method << " " << pattern;
      EXPECT_NEAR(one.sparsity, 0.5, 0.02) << method << " " << pattern;
    }
}

// Each output loses the same share, by size times the norm of what it multiplies.
TEST(Wanda, EachOutputLosesItsShare) {
  std::string words;
  for (int i = 0; words.size() < 2000; ++i) words += "line " + std::to_string(i * i) + " of a text\n";
  const Text text = Text::of(words, Tokenizer::chars(words));
  const Model model = TinyGpt2{}.model();
  const Pruned done = prune(model, text, {.method = "wanda", .sample = {.windows = 8, .seq = 32}});
  std::vector<float> w(51 * 153);
  done.model.read("transformer.h.1.attn.c_attn.weight", w);  // [in,out]
  for (std::size_t out = 0; out < 153; ++out) {
    int zeros = 0;
    for (std::size_t in = 0; in < 51; ++in) zeros += w[in * 153 + out] == 0;
    ASSERT_EQ(zeros, 26) << out;
  }
}

// Shares of an output's and of an input's sizes, and the root of the input's norm, in the whole matrix.
TEST(Ria, WhatGoesIsLeastByThePapersScore) {
  std::string words;
  for (int i = 0; words.size() < 2000; ++i) words += "line " + std::to_string(i * i) + " of a text\n";
  const Text text = Text::of(words, Tokenizer::chars(words));
  const Model model = TinyGpt2{}.model();
  const CalibrationOptions sample{.windows = 8, .seq = 32};
  const Model done = prune(model, text, {.method = "ria", .sparsity = 0.7, .sample = sample}).model;
  int seen = 0;
  calibrate(model, text, sample, [&](const LayerMoments& layer) {
    for (const auto& [name, moments] : layer.inputs) {
      if (name != "transformer.h.0.attn.c_attn.weight") continue;  // the first, so that its input is the same
      const std::vector<float> w = weight_values(model, name), after = weight_values(done, name);
      std::vector<float> scores(w.size()), squares = moments->squares();
      for (std::size_t i = 0; i < w.size(); ++i) {
        double out = 0, in = 0;
        for (std::size_t j = i / 51 * 51; j < i / 51 * 51 + 51; ++j) out += std::abs(w[j]);
        for (std::size_t j = i % 51; j < w.size(); j += 51) in += std::abs(w[j]);
        scores[i] = static_cast<float>((std::abs(w[i]) / out + std::abs(w[i]) / in) *
                                       std::pow(squares[i % 51], 0.25));
      }
      const auto mask = kept(scores, 153, 51, {}, 0.7);
      int others = 0;  // of all but equal scores either may go
      for (std::size_t i = 0; i < w.size(); ++i) others += (after[i] != 0) != (mask[i] != 0);
      EXPECT_LE(others, 2);
      ++seen;
    }
    return NewWeights{};
  });
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace hone
