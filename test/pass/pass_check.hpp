// Networks for the tests of passes, and what each pass is asked: does it keep the numbers, is it a function,
// is it done after once?
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "model/model_impl.hpp"
#include "program_run.hpp"
#include "tiny_gpt2.hpp"

namespace hone {

inline constexpr std::int64_t V = 67;

inline Network gpt2(std::int64_t context, std::int64_t layers = 1) {
  return TinyGpt2{.layers = layers, .heads = 2, .width = 18, .vocab_size = V, .context = context}
      .model()
      .impl()
      .network;
}

// A gate (both halves of a split), a product without bias, an untied head, no causal mask.
inline const Network without_biases = language_model([](Builder& b, Tensor tokens) {
  auto x = embedding(tokens, b.parameter("wte", {V, 10}));
  const auto n = layer_norm(x, "norm");
  x = x + attention(linear(n, "q", 10), linear(n, "k", 5), linear(n, "v", 5),
                    {.heads = 2, .kv_heads = 1, .causal = false});
  x = x +
      linear(relu(linear(layer_norm(x, "norm_2"), "up", 21, {.bias = false})), "down", 10, {.bias = false});
  return linear(layer_norm(x, "norm_f"), "head", V, {.bias = false});
});

// One weight with two uses.
inline const Network tiny = language_model([](Builder& b, Tensor tokens) {
  const auto table = b.parameter("table", {7, 4});
  return linear(embedding(tokens, table), table);
});

using Pass = std::function<void(Program&)>;

inline Program after(const Pass& pass, Program p) {
  pass(p);
  return settled(std::move(p));
}

inline void expect_same_numbers(const Program& before, const Program& changed) {
  const Results expected = run_program(before, V), found = run_program(changed, V);
  ASSERT_EQ(expected.size(), found.size());
  for (const auto& [name, bytes] : expected) EXPECT_TRUE(found.at(name) == bytes) << name;
}

inline void expect_settled(const Pass& pass, const Program& before) {
  const Program once = after(pass, before);
  EXPECT_EQ(print(after(pass, before)), print(once)) << "not a function";
  EXPECT_EQ(print(after(pass, once)), print(once)) << "a second run changes something";
}

}  // namespace hone
