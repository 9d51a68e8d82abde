#include "hone/compare.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "../temporary_folder.hpp"
#include "hone/eval.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t vocabulary = 4;
using Table = std::vector<float>;  // [token,next]: the logits of what follows a token

// A model whose logits stand in a table.
Model by_table(const Table& table) {
  const Model model(
      [](Builder& b, Tensor tokens) {
        return linear(embedding(tokens, b.parameter("eye", {vocabulary, vocabulary}, {})), "table",
                      vocabulary, {.bias = false});
      },
      {.vocab_size = vocabulary, .context = 8});
  std::map<std::string, StoredWeight> made;
  const auto put = [&](const std::string& name, const Table& values) {
    const auto bytes = std::as_bytes(std::span(values));
    made[name] = made_weight({{vocabulary, vocabulary}}, {bytes.begin(), bytes.end()});
  };
  Table eye(16), turned(16);
  for (std::size_t i = 0; i < 4; ++i) eye[i * 5] = 1;
  for (std::size_t i = 0; i < 16; ++i) turned[i % 4 * 4 + i / 4] = table[i];  // [out,in]
  put("eye", eye);
  put("table.weight", turned);
  return with_weights(model, model.impl().store.with_stored(std::move(made)));
}

const Table first{0, 1, 2, 3, 1, 1, 0, 0, -1, 4, 0.5f, 2, 0, 0, 0, 0};
const Table second{0, 1, 3, 2, 1, 1, 0, 0, -1, 3, 0.5f, 2, 0, 1, 0, 0};

Text letters(const std::string& text) { return Text::of(text, Tokenizer::chars("abcd")); }

// log p(next | token) of a table, in f64.
double log_p(const Table& table, std::size_t token, std::size_t next) {
  double sum = 0;
  for (std::size_t v = 0; v < 4; ++v) sum += std::exp(static_cast<double>(table[token * 4 + v]));
  return static_cast<double>(table[token * 4 + next]) - std::log(sum);
}

TEST(Compare, NumbersByHand) {
  const std::string text = "abcdabca";  // 7 predictions, in windows of 3: 3, 3 and 1
  const CompareReport r = compare(by_table(first), by_table(second), letters(text), {.seq = 3});
  double before = 0, after = 0, kl = 0;
  std::vector<double> sums(3);
  for (std::size_t i = 0; i < 7; ++i) {
    const auto token = static_cast<std::size_t>(text[i] - 'a'),
               next = static_cast<std::size_t>(text[i + 1] - 'a');
    before -= log_p(first, token, next);
    after -= log_p(second, token, next);
    sums[i / 3] -= log_p(first, token, next);
    for (std::size_t v = 0; v < 4; ++v)
      kl += std::exp(log_p(first, token, v)) * (log_p(first, token, v) - log_p(second, token, v));
  }
  EXPECT_EQ(r.tokens, 7);
  EXPECT_EQ(r.seq, 3);
  EXPECT_NEAR(r.before.loss, before / 7, 1e-6);
  EXPECT_NEAR(r.after.loss, after / 7, 1e-6);
  EXPECT_NEAR(r.before.perplexity, std::exp(before / 7), 1e-5);
  EXPECT_NEAR(r.kl, kl / 7, 1e-6);
  // a, of which there are two that are followed, flips from d to c; d, one, from a (the first of equals) to b
  EXPECT_DOUBLE_EQ(r.flipped, 3.0 / 7);

  double squares = 0;
  const double tokens[] = {3, 3, 1};
  for (std::size_t w = 0; w < 3; ++w) squares += std::pow(sums[w] - before / 7 * tokens[w], 2);
  const double half = 1.959964 * std::sqrt(squares * 3 / 2) / 7;
  EXPECT_NEAR(r.before.low, std::exp(before / 7 - half), 1e-4);
  EXPECT_NEAR(r.before.high, std::exp(before / 7 + half), 1e-4);
}

TEST(Compare, OneWindowHasNoInterval) {
  const CompareReport r = compare(by_table(first), by_table(second), letters("abc"));
  EXPECT_TRUE(std::isnan(r.before.low) && std::isnan(r.before.high));
  EXPECT_TRUE(std::isfinite(r.before.perplexity));
}

std::string some_text() {
  std::string text;
  for (int i = 0; text.size() < 2000; ++i) text += "line " + std::to_string(i * i) + " of a text\n";
  return text;
}

TEST(Compare, AModelWithItselfIsItsEvaluation) {
  const Model model = open(HONE_TEST_DATA "/models/gpt2");
  const Text text = Text::of(some_text());
  const EvalReport expected = evaluate(model, text, {.seq = 50});
  std::int64_t last = 0;
  const CompareReport r = compare(
      model, model, text, {.seq = 50, .progress = [&](std::int64_t done, std::int64_t) { last = done; }});
  EXPECT_EQ(r.tokens, expected.tokens);
  EXPECT_NEAR(r.before.loss, expected.loss, 1e-6);
  EXPECT_EQ(r.before.loss, r.after.loss);
  EXPECT_NEAR(r.kl, 0, 1e-12);
  EXPECT_EQ(r.flipped, 0);
  EXPECT_EQ(last, (expected.tokens + 49) / 50);
  const CompareReport part = compare(model, model, text, {.max_tokens = 60, .held_out_only = true});
  EXPECT_EQ(part.tokens, 60);
  EXPECT_NEAR(part.before.loss, evaluate(model, text, {.max_tokens = 60, .held_out_only = true}).loss, 1e-6);
  const CompareReport low = compare(model, model, text, {.seq = 50, .precision = Precision::bf16});
  EXPECT_NEAR(low.before.loss, expected.loss, 0.05);
}

TEST(Compare, AnyThreadsTheSameNumbers) {
  const Model before = open(HONE_TEST_DATA "/models/llama"),
              after = from_config(HONE_TEST_DATA "/models/llama/config.json");
  const Text text = Text::of(some_text(), Tokenizer::chars(some_text()));
  const CompareReport one = compare(before, after, text, {.threads = 1}),
                      three = compare(before, after, text, {.threads = 3});
  EXPECT_GT(one.kl, 0);
  for (const auto& [a, b] : {std::pair{one.before.loss, three.before.loss},
                             {one.after.loss, three.after.loss},
                             {one.after.low, three.after.low},
                             {one.kl, three.kl},
                             {one.flipped, three.flipped}})
    EXPECT_EQ(a, b);
}

// A table padded by an id that no text has: what both have is compared.
TEST(Compare, OneVocabularyMayBePaddedFurther) {
  const Text text = letters("abcdabca");
  const Model padded = open(HONE_TEST_DATA "/models/gpt2"), own = by_table(first);
  ASSERT_GT(padded.vocab_size(), vocabulary);
  const CompareReport r = compare(own, padded, text, {.seq = 3}),
                      back = compare(padded, own, text, {.seq = 3});
  EXPECT_EQ(r.before.loss, compare(own, own, text, {.seq = 3}).before.loss);
  EXPECT_EQ(r.after.loss, compare(padded, padded, text, {.seq = 3}).after.loss);  // of all its ids
  EXPECT_EQ(r.after.loss, back.before.loss);
  EXPECT_GT(r.kl, 0);
  EXPECT_TRUE(std::isfinite(back.kl));
}

TEST(Compare, BadInput) {
  const Text text = letters("abcdabca");
  Table infinite = first;
  infinite[1] = INFINITY;
  EXPECT_FALSE(std::isfinite(compare(by_table(first), by_table(infinite), text).after.loss));
  EXPECT_NE(error_of(ErrorKind::input, [&] { compare(by_table(infinite), by_table(first), text); })
                .find("not finite"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorKind::input, [&] { compare(by_table(first), by_table(first), letters("a")); })
                .find("no token that follows"),
            std::string::npos);
}

}  // namespace
}  // namespace hone
