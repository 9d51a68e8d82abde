// Corrections of low rank beside weights in few bits and pruned ones: what they bring back, what they cost,
// that every way of running them agrees, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "compress/factors.hpp"
#include "compress/linear_algebra.hpp"
#include "compress/refused_ranks.hpp"
#include "hone/compare.hpp"
#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/factorize.hpp"
#include "hone/generate.hpp"
#include "hone/lora.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"
#include "hone/sparse.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "run/logits.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t seq = 32, V = 256;

Text text() {
  std::string prose;
  for (int i = 0; i < 400; ++i)
    prose += "the cat sat on the mat, and " + std::to_string(i * i % 97) + " mice ran. ";
  return Text::of(prose);
}

// Inputs differ in what they matter only in a model that has learnt something.
const Model& trained() {
  static const Model model = [] {
    Trainer trainer(TrainPlan(preset("llama-tiny", {.vocab_size = V, .seed = 5}), {.batch = 8, .seq = seq}));
    for (int n = 0; n < 120; ++n) trainer.step(text().batch(n, 8, seq), {.lr = 3e-3f, .clip = 1});
    return trainer.model();
  }();
  return model;
}

QuantizeOptions in_two_bits(std::int64_t rank) {
  return {.bits = 2, .group = 32, .sample = {.windows = 16, .seq = seq}, .correction = {.rank = rank}};
}
double kl(const Model& after) {
  return compare(trained(), after, text(), {.seq = seq, .max_tokens = 512}).kl;
}
std::vector<float> logits(const Model& model) {
  return logits_of(model, toy_batch(3, 2, 20, V), 1, best_isa());
}
double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

TEST(LeadingSvd, IsTheFirstPartsOfTheWhole) {
  constexpr std::int64_t N = 40, K = 56, count = 5;
  Stream stream(stream_key("svd", 1));
  for (const auto& [rows, columns] : {std::pair{N, K}, {K, N}}) {
    std::vector<double> m(static_cast<std::size_t>(rows * columns));
    for (double& x : m) x = static_cast<double>(stream.normal());
    const Svd all = svd(m, rows, columns), some = leading_svd(m, rows, columns, count);
    ASSERT_EQ(some.rank, count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_NEAR(some.s[i], all.s[i], 1e-9);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r)
      for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c) {
        double a = 0, b = 0;  // signs of the parts are free, their sum is not
        for (std::size_t i = 0; i < count; ++i) {
          a += some.u[r * count + i] * some.s[i] * some.v[c * count + i];
          b += all.u[r * 40 + i] * all.s[i] * all.v[c * 40 + i];
        }
        EXPECT_NEAR(a, b, 1e-9);
      }
  }
  const std::vector<double> nothing(N * K);
  for (const double s : leading_svd(nothing, N, K, count).s) EXPECT_EQ(s, 0);
}

TEST(Corrections, BringBackMoreTheHigherTheirRank) {
  double before = kl(quantize(trained(), nullptr, in_two_bits(0)).model);
  for (const std::int64_t rank : {4, 16, 64}) {
    const double now = kl(quantize(trained(), nullptr, in_two_bits(rank)).model);
    EXPECT_LT(now, 0.8 * before) << rank;
    before = now;
  }
}

// What is weighed by a text loses less on it than what is weighed by the weights alone.
TEST(Corrections, AreWeighedByAText) {
  const Text sample = text();
  EXPECT_LT(kl(quantize(trained(), &sample, in_two_bits(8)).model),
            kl(quantize(trained(), nullptr, in_two_bits(8)).model));
  const PruneOptions half{.sparsity = 0.6, .sample = {.windows = 16, .seq = seq}, .correction = {.rank = 8}};
  EXPECT_LT(kl(prune(trained(), sample, half).model), kl(prune(trained(), half).model));
  EXPECT_LT(kl(prune(trained(), half).model), kl(prune(trained(), {.sparsity = 0.6}).model));
}

TEST(Corrections, OfMethodsThatLearnBringBackToo) {
  const Text sample = text();
  for (const char* method : {"gptq", "awq"}) {
    QuantizeOptions o = in_two_bits(0);
    o.method = method;
    const double without = kl(quantize(trained(), &sample, o).model);
    o.correction.rank = 16;
    EXPECT_LT(kl(quantize(trained(), &sample, o).model), without) << method;
  }
}

// Of a model that was pruned before, one correction is of both losses.
TEST(Corrections, MayComeBackToAnotherModel) {
  const Model half = prune(trained(), {.sparsity = 0.5}).model;
  QuantizeOptions o{.bits = 4, .group = 32, .symmetric = true, .correction = {.rank = 12}};
  const double own = kl(quantize(half, nullptr, o).model);
  o.correction.of = trained();
  EXPECT_LT(kl(quantize(half, nullptr, o).model), own);
}

TEST(Corrections, ModelsAreSavedOpenedAndMultipliedOut) {
  const TemporaryFolder folder;
  for (const bool coded : {true, false}) {
    const Model made =
        coded ? quantize(trained(), nullptr, in_two_bits(8)).model
              : store_sparse(prune(trained(), {.sparsity = 0.6, .correction = {.rank = 8}}).model).model;
    const std::string name = coded ? "coded" : "sparse";
    made.save(folder.file(name));
    const Model opened = open(folder.file(name));
    EXPECT_TRUE(opened.notes().empty());
    EXPECT_EQ(opened.weights_hash(), made.weights_hash());
    EXPECT_EQ(logits(opened), logits(made));
    EXPECT_EQ(weight_bytes(opened), weight_bytes(made));
    EXPECT_EQ(opened.impl().store.trees().size(), made.impl().store.trees().size());
    convert(folder.file(name), folder.file(name + "-whole"), {.type = "f32"});
    const Model whole = open(folder.file(name + "-whole"));
    EXPECT_EQ(nlohmann::json::parse(whole.config_json()).count("corrections"), 0u);
    EXPECT_LT(largest_difference(logits(whole), logits(made)), 1e-4);
    const ConvertReport gguf = convert(folder.file(name), folder.file(name + ".gguf"), {});
    EXPECT_GT(gguf.tensors, 0);
    EXPECT_LT(largest_difference(logits(open(folder.file(name + ".gguf"))), logits(made)), 5e-2);  // f16
  }
}

// Bits a weight count a correction's bytes, and no weight of it.
TEST(Corrections, CostWhatTheyTake) {
  const Model without = quantize(trained(), nullptr, in_two_bits(0)).model,
              with = quantize(trained(), nullptr, in_two_bits(8)).model;
  std::int64_t numbers = 0;
  for (const std::string& name : correction_names(with)) numbers += with.size(name);
  EXPECT_EQ(weight_bytes(with), weight_bytes(without) + 2 * numbers);
  const CompressReport report = measure(trained(), with, {});
  EXPECT_DOUBLE_EQ(report.bits_a_weight,
                   8 * static_cast<double>(weight_bytes(with)) / static_cast<double>(trained().parameters()));
}

// By the codes' own products, of few rows and of many, as by an evaluation's.
TEST(Corrections, GenerateAsTheyEvaluate) {
  const Model model = quantize(trained(), nullptr, in_two_bits(8)).model;
  const Batch batch = toy_batch(3, 1, 20, V);
  const std::vector<float> expected = logits_of(model, batch, 1, best_isa());
  for (const std::int64_t prompt : {1, 19}) {
    Generator generator{GeneratePlan(model, {.threads = 1})};
    generator.append({batch.ids.data(), static_cast<std::size_t>(prompt)});
    for (std::int64_t i = prompt; i < 20; ++i) generator.append({batch.ids.data() + i, 1});
    const auto last = generator.logits();
    const std::vector<float> found(last.begin(), last.end());
    const std::vector<float> row(expected.end() - V, expected.end());
    EXPECT_LT(largest_difference(found, row), 0.15) << prompt;  // activations are coded in eight bits
  }
}

// An adapter goes with whole products; the factors of a correction are none.
TEST(Corrections, StandBesideAnAdapter) {
  const Model model = quantize(trained(), nullptr, in_two_bits(8)).model;
  const Model adapted = with_lora(model, {.rank = 4});
  EXPECT_EQ(adapter_parameters(adapted), adapter_parameters(with_lora(trained(), {.rank = 4})));
  EXPECT_EQ(logits(adapted), logits(model));
  Trainer t(TrainPlan(adapted, {.batch = 4, .seq = seq, .threads = 1}));
  const Batch unseen = text().batch(90, 4, seq);
  const double before = t.evaluate(unseen).loss;
  for (int n = 0; n < 10; ++n) t.step(text().batch(n, 4, seq), {.lr = 1e-2f, .clip = 1});
  EXPECT_LT(t.evaluate(unseen).loss, before);
}

TEST(Corrections, RefuseWhatIsNone) {
  const auto usage = [](const std::function<void()>& f) { return error_of(ErrorKind::usage, f); };
  const auto input = [](const std::function<void()>& f) { return error_of(ErrorKind::input, f); };
  const Text sample = text();
  EXPECT_NE(usage([] { quantize(trained(), nullptr, in_two_bits(65)); }).find("at most 64"),
            std::string::npos);
  usage([] { quantize(trained(), nullptr, in_two_bits(-1)); });
  QuantizeOptions o = in_two_bits(4);
  o.method = "refined";
  EXPECT_NE(usage([&] { quantize(trained(), &sample, o); }).find("refined"), std::string::npos);
  o.method = "awq", o.correction.of = trained();
  usage([&] { quantize(trained(), &sample, o); });
  o.method = "rtn", o.correction.of.reset(), o.size_bytes = 1000000;
  EXPECT_NE(usage([&] { quantize(trained(), &sample, o); }).find("codes alone"), std::string::npos);
  o.size_bytes = 0, o.correction.of = TinyGpt2{}.model();
  EXPECT_NE(usage([&] { quantize(trained(), nullptr, o); }).find("another one"), std::string::npos);
  o.correction = {.of = trained()};
  usage([&] { quantize(trained(), nullptr, o); });
  usage([&] { prune(trained(), sample, {.pattern = "channels", .correction = {.rank = 4}}); });
  const Model pruned = prune(trained(), {.correction = {.rank = 4}}).model;
  for (const auto& again : std::vector<std::function<void()>>{
           [&] { prune(pruned, {}); }, [&] { prune(pruned, {.pattern = "channels"}); },
           [&] { quantize(pruned, nullptr, {}); }, [&] { factorize(pruned, {}); }})
    EXPECT_NE(input(again).find("already"), std::string::npos);
}

TEST(Corrections, RefuseRanksThatAreNone) {
  RanksOfAConfig ranks(prune(trained(), {.correction = {.rank = 4}}).model, "corrections");
  ranks.expect_refused("3", "corrections");
  ranks.expect_refused(R"({"model.layers.0.mlp.up_proj": "x"})", "no whole number");
  ranks.expect_refused(R"({"model.layers.0.self_attn.k_proj": 65})", "1 to 64");
  ranks.expect_refused(R"({"model.layers.9.mlp.up_proj": 4})", "no product of the model");
}

}  // namespace
}  // namespace hone
