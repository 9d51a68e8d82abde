// Examples that share a row are trained as if each had one of its own.
#include <gtest/gtest.h>

#include <cmath>

#include "hone/examples.hpp"
#include "hone/train.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

std::string lines() {
  std::string text;
  for (int i = 0; i < 12; ++i)
    text += "{\"prompt\": \"" + std::string(static_cast<std::size_t>(1 + i % 3), static_cast<char>('a' + i)) +
            "\", \"completion\": \"" +
            std::string(static_cast<std::size_t>(1 + i * 5 % 7), static_cast<char>('A' + i)) + "\"}\n";
  return text;
}

// The loss of one step over all training examples, and the weights behind it.
std::pair<double, std::vector<float>> one_step(const Model& model, const Examples& examples, bool packed) {
  TrainPlanOptions options{
      .batch = examples.train_rows(), .seq = examples.seq(), .optimizer = "sgd", .threads = 1};
  if (packed) options.sizes["packed"] = 1;
  Trainer trainer(TrainPlan(model, options));
  const double loss = trainer.step(examples.batch(0, examples.train_rows()).samples(), {.lr = 0.1f}).loss;
  const Model trained = trainer.model();
  std::vector<float> all;
  for (const WeightInfo& w : trained.weights()) {
    std::vector<float> values(static_cast<std::size_t>(trained.size(w.name)));
    trained.read(w.name, values);
    all.insert(all.end(), values.begin(), values.end());
  }
  return {loss, all};
}

void expect_same(const Model& model) {
  const TemporaryFolder folder;
  const std::string path = folder.write("x.jsonl", lines());
  const Examples apart(path, Tokenizer::bytes(), {.seq = 16}),
      packed(path, Tokenizer::bytes(), {.seq = 16, .packed = true});
  ASSERT_LT(packed.train_rows(), apart.train_rows());
  const auto [loss, weights] = one_step(model, apart, false);
  const auto [packed_loss, packed_weights] = one_step(model, packed, true);
  EXPECT_NEAR(packed_loss, loss, 1e-6 * loss);
  ASSERT_EQ(weights.size(), packed_weights.size());
  double most = 0;
  for (std::size_t i = 0; i < weights.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(weights[i]) - static_cast<double>(packed_weights[i])));
  EXPECT_LT(most, 1e-6);
}

TEST(Packing, GivesTheResultsOfRowsApartWithinRounding) {
  TinyGpt2 gpt2;
  gpt2.vocab_size = 256;
  gpt2.dropout = 0;
  expect_same(gpt2.model());
  expect_same(preset("llama-tiny", {.vocab_size = 256, .context = 32}));
}

TEST(Packing, NeedsAttentionThatLooksBackOnly) {
  const Model both(
      [](Builder& b, Tensor tokens) {
        const auto x = embedding(tokens, b.parameter("wte", {64, 8}));
        return linear(attention(x, x, x, {.heads = 2, .causal = false}), "head", 64);
      },
      {.vocab_size = 64, .context = 32});
  EXPECT_NE(error_of(ErrorKind::input,
                     [&] {
                       TrainPlan(both, {.batch = 2, .seq = 8, .sizes = {{"packed", 1}}});
                     })
                .find("rows of several examples want attention that looks back only"),
            std::string::npos);
}

}  // namespace
}  // namespace hone
