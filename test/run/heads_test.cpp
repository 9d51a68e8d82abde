// Logits that no plain product alone makes, behind prompts that end with a chunk of many tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "hone/builder.hpp"
#include "hone/generate.hpp"
#include "hone/lora.hpp"
#include "run/logits.hpp"

namespace hone {
namespace {

// The largest difference between a generator's logits and those of the forward pass that training has, as a
// share of the largest logit.
double difference(const Model& model, std::int64_t length, Precision precision) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < length; ++i)
    ids.push_back(static_cast<std::int32_t>((i * 7 + 3) % model.vocab_size()));
  Generator generator(GeneratePlan(model, {.precision = precision, .threads = 1}));
  generator.append(ids);
  const auto found = generator.logits();
  const Batch batch{1, length, ids, std::vector<std::int32_t>(ids.size(), -100)};
  const auto all = logits_of(model, batch.samples(), {.seq = length, .precision = precision, .threads = 1});
  float most = 0, largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float expected = all[all.size() - found.size() + i];
    most = std::max(most, std::abs(found[i] - expected)), largest = std::max(largest, std::abs(expected));
  }
  return static_cast<double>(most / largest);
}

Tensor two_heads(Builder& b, Tensor tokens) {
  const auto x = embedding(tokens, b.parameter("wte", {32, 16}, {.init = normal(0.5f)}));
  return gelu(linear(x, "head", 32)) + linear(x, "other", 32);
}

TEST(Heads, MayBeMoreThanAProduct) {
  const Model base = open(HONE_TEST_DATA "/models/llama");
  const Model adapted = with_lora(base, {.rank = 2, .targets = {"lm_head", "q_proj"}});
  const Model custom(two_heads, {.vocab_size = 32, .context = 80});
  for (const std::int64_t length : {1, 7, 8, 24, 62})
    for (const Precision precision : {Precision::f32, Precision::bf16})
      for (const Model& model : {adapted, custom})
        EXPECT_LT(difference(model, length, precision), precision == Precision::f32 ? 1e-5 : 0.05)
            << length << name(precision);
}

}  // namespace
}  // namespace hone
