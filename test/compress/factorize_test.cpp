// Products of low rank: what is kept, how models with them are stored, and what is refused.
#include "hone/factorize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "compress/refused_ranks.hpp"
#include "hone/convert.hpp"
#include "hone/eval.hpp"
#include "hone/train.hpp"
#include "model/low_rank.hpp"
#include "run/logits.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t V = 67;

std::vector<float> logits(const Model& model) {
  return logits_of(model, toy_batch(3, 2, 20, V), 1, best_isa());
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

std::vector<double> values(const Model& model, const std::string& name) {
  std::vector<float> v(static_cast<std::size_t>(model.size(name)));
  model.read(name, v);
  return {v.begin(), v.end()};
}

TEST(Factorize, KeepsWhatWasAskedFor) {
  const Model model = TinyGpt2{.width = 48}.model();
  for (const double keep : {0.3, 0.8}) {
    const Factorized f = factorize(model, {.keep = keep});
    EXPECT_LE(f.kept, keep);
    EXPECT_GT(f.kept, keep - 0.02);
    EXPECT_LT(f.model.parameters(), model.parameters());
    EXPECT_FALSE(f.ranks.empty());
    for (const auto& [module, rank] : f.ranks) {
      EXPECT_GE(rank, 1);
      EXPECT_EQ(f.model.size(module + ".u.weight") + f.model.size(module + ".v.weight"),
                rank * (model.size(module + ".bias") + f.model.size(module + ".v.weight") / rank));
    }
  }
  EXPECT_EQ(factorize(model, {.keep = 1}).model.weights_hash(), model.weights_hash());
}

// Of the first layer's product: the squared error is that of the singular values that are left out.
TEST(Factorize, IsTheBestOfItsRank) {
  const Model model = TinyGpt2{.width = 48}.model();
  const Factorized f = factorize(model, {.keep = 0.5});
  const Model back = multiplied_out(f.model);
  const std::string name = "transformer.h.0.mlp.c_fc";
  const auto before = values(model, name + ".weight"), after = values(back, name + ".weight");
  double error = 0, all = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    error += (before[i] - after[i]) * (before[i] - after[i]);
    all += before[i] * before[i];
  }
  const double share = static_cast<double>(f.ranks.at(name)) / 48;  // of the smaller side
  EXPECT_LT(error / all, 1 - share);  // random matrices: the first ones have more than the others
  EXPECT_GT(error / all, 0.01);
}

TEST(Factorize, OfProductsThatHaveALowRankIsExact) {
  const Model model = factorize(TinyGpt2{.width = 48}.model(), {.keep = 0.3}).model;
  const Model whole = multiplied_out(model);
  const Factorized again = factorize(whole, {.keep = 0.35});
  EXPECT_LT(largest_difference(logits(again.model), logits(whole)), 2e-5);
  EXPECT_LT(largest_difference(logits(model), logits(whole)), 2e-5);
}

TEST(Factorize, FoldersAreOpenedAndMultipliedOut) {
  const TemporaryFolder folder;
  const Factorized f = factorize(TinyGpt2{.width = 48}.model(), {.keep = 0.6});
  f.model.save(folder.file("low"));
  const Model model = open(folder.file("low"));
  EXPECT_EQ(model.weights_hash(), f.model.weights_hash());
  EXPECT_EQ(logits(model), logits(f.model));
  EXPECT_EQ(ranks_of(model), f.ranks);
  EXPECT_TRUE(model.notes().empty()) << model.notes()[0];
  convert(folder.file("low"), folder.file("whole"), {});
  const Model whole = open(folder.file("whole"));
  EXPECT_TRUE(ranks_of(whole).empty());
  EXPECT_LT(largest_difference(logits(whole), logits(model)), 2e-5);
}

// What is trained, saved and gone on with are the factors.
TEST(Factorize, ModelsTrain) {
  const Model model = factorize(TinyGpt2{.width = 48, .dropout = 0}.model(), {.keep = 0.6}).model;
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Trainer t(TrainPlan(model, {.batch = 4, .seq = 20, .precision = precision, .threads = 1}));
    const double first = t.step(toy_batch(0, 4, 20, V), {.lr = 1e-2f}).loss;
    for (std::int64_t n = 1; n < 30; ++n) t.step(toy_batch(n, 4, 20, V), {.lr = 1e-2f, .clip = 1});
    EXPECT_LT(t.step(toy_batch(30, 4, 20, V), {.lr = 1e-2f}).loss, first - 0.3);
    EXPECT_EQ(t.model().weights().size(), model.weights().size());
  }
}

// On the text that it was whitened by, a trained model loses less than by its weights alone.
TEST(Factorize, WhitenedLosesLessThanPlain) {
  std::string text;
  for (int i = 0; i < 6000; ++i) text += static_cast<char>('a' + i * (i % 7 + 1) % 13);
  const Text letters = Text::of(text, Tokenizer::chars(text));
  const std::int64_t vocab_size = letters.vocab_size();
  Trainer t(TrainPlan(TinyGpt2{.width = 48, .vocab_size = vocab_size, .dropout = 0}.model(),
                      {.batch = 8, .seq = 32, .threads = 1}));
  for (std::int64_t n = 0; n < 80; ++n) t.step(letters.batch(n, 8, 32), {.lr = 5e-3f, .clip = 1});
  const Model model = t.model();
  const auto loss = [&](const Model& m) { return evaluate(m, letters, {.seq = 32, .threads = 1}).loss; };
  FactorizeOptions options{.keep = 0.5, .calibration = {.windows = 32, .seq = 32, .threads = 1}};
  const double plain = loss(factorize(model, options).model);
  options.method = "whitened";
  const double whitened = loss(factorize(model, options, &letters).model);
  EXPECT_LT(whitened, plain);
}

TEST(Factorize, RefusesWhatIsNone) {
  const Model model = TinyGpt2{.width = 48}.model();
  error_of(ErrorKind::usage, [&] { factorize(model, {.method = "qr"}); });
  error_of(ErrorKind::usage, [&] { factorize(model, {.method = "whitened"}); });
  for (const double keep : {0.0, -1.0, 1.5, std::nan("")})
    error_of(ErrorKind::usage, [&] { factorize(model, {.keep = keep}); });
  EXPECT_NE(error_of(ErrorKind::usage, [&] { factorize(model, {.keep = 0.001}); }).find("or more"),
            std::string::npos);
  const Model low = factorize(model, {.keep = 0.6}).model;
  EXPECT_NE(error_of(ErrorKind::input, [&] { factorize(low, {}); }).find("already"), std::string::npos);
}

TEST(Factorize, RefusesRanksThatAreNone) {
  RanksOfAConfig ranks(factorize(TinyGpt2{.width = 48}.model(), {.keep = 0.6}).model, "low_rank");
  ranks.expect_refused("3", "no object of ranks");
  ranks.expect_refused(R"({"transformer.h.0.mlp.c_fc": "x"})", "no whole number");
  ranks.expect_refused(R"({"transformer.h.0.mlp.c_fc": 0})", "1 to 48");
  ranks.expect_refused(R"({"transformer.h.0.mlp.c_fc": 49})", "1 to 48");
  ranks.expect_refused(R"({"transformer.h.9.mlp.c_fc": 4})", "no product of the model");
  ranks.expect_refused(R"({"transformer.h.0.mlp.c_fc": 4})", "transformer.h.0");
}

}  // namespace
}  // namespace hone
