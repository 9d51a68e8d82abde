// Tables of tokens as cores: what is kept and lost, how models with them are stored, read, and what is
// refused.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "compress/table_train.hpp"
#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/encode.hpp"
#include "hone/factorize.hpp"
#include "hone/generate.hpp"
#include "hone/lora.hpp"
#include "hone/quantize.hpp"
#include "hone/train.hpp"
#include "model/quantized.hpp"
#include "store/tensor_train.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

const char *const gpt2_table = "transformer.wte.weight", *const llama_table = "model.embed_tokens.weight";

// V is a prime, and C a product of 3 and 17 for the tied one, of 4, 5 and 5 for the other.
Model tied() { return TinyGpt2{}.model(); }
Model untied() { return llama_of(100, 180, 2, 97); }
struct Subject {
  Model model;
  const char* table;
};
std::vector<Subject> subjects() { return {{tied(), gpt2_table}, {untied(), llama_table}}; }

Factorized in_cores(const Model& model, double keep) {
  return factorize(model, {.method = "tensor-train", .keep = keep});
}

std::vector<float> values(const Model& model, const std::string& name) {
  std::vector<float> v(static_cast<std::size_t>(model.size(name)));
  model.read(name, v);
  return v;
}
double share_lost(const std::vector<float>& before, const std::vector<float>& after) {
  double lost = 0, all = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double d = static_cast<double>(before[i]) - static_cast<double>(after[i]);
    lost += d * d, all += static_cast<double>(before[i]) * static_cast<double>(before[i]);
  }
  return lost / all;
}

// By a program that only reads weights, where cores are read as they are.
std::vector<float> logits(const Model& model) {
  Encoder encoder(EncodePlan(model, {.batch = 2, .seq = 20, .threads = 1}));
  const Batch batch = toy_batch(3, 2, 20, 67);
  encoder.run(Samples(2).set("tokens", std::span<const std::int32_t>(batch.ids)));
  const auto values = encoder.output("logits");
  return {values.begin(), values.end()};
}
double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

std::string printed(const Model& model) { return GeneratePlan(model, {.context = 32, .threads = 1}).print(); }
std::vector<std::int32_t> continued(const Model& model) {
  Generator generator(GeneratePlan(model, {.context = 32, .threads = 1}));
  std::vector<std::int32_t> ids;
  const std::vector<std::int32_t> prompt{5, 17, 3};
  for (const auto& piece : generator.generate(prompt, {.temperature = 0, .max_tokens = 8}))
    ids.push_back(piece.token);
  return ids;
}

// A table of a train of these sizes, from shapes that factor well to those that do not.
TEST(TableTrain, WithAllRanksNothingIsLost) {
  for (const auto& [V, C] : {std::pair{64, 27}, {67, 51}, {7, 13}, {1, 5}, {30, 1}, {12, 100}}) {
    SCOPED_TRACE(std::to_string(V) + " x " + std::to_string(C));
    Stream stream(stream_key("table", 1));
    std::vector<float> table(static_cast<std::size_t>(V * C));
    for (float& x : table) x = stream.normal();
    for (const CoreSizes& shape : {core_sizes(V, C), low_rank_sizes(V, C)}) {
      const TableSpectra spectra(table, V, C, shape);
      const std::vector<TableCore> made = spectra.cores(spectra.most_ranks());
      EXPECT_LT(spectra.lost(spectra.most_ranks()), 1e-6) << "what f32 has of sums of squares";
      std::vector<StoredWeight> cores;
      std::vector<Shape> shapes;
      for (const TableCore& core : made) {
        const auto bytes = std::as_bytes(std::span(core.values));
        cores.push_back(made_weight({core.shape, DType::f32}, {bytes.begin(), bytes.end()}));
        shapes.push_back(core.shape);
      }
      EXPECT_EQ(flaw_of_cores(shapes, {V, C}), "");
      std::vector<float> rows(table.size());
      expand_rows(*tensor_train({V, C}, DType::f32, std::move(cores)), 0, rows);
      EXPECT_LT(largest_difference(rows, table), 2e-5);
    }
  }
}

TEST(TableTrain, ShapesAreNearCubes) {
  const CoreSizes s = core_sizes(49152, 576);
  EXPECT_EQ(s.columns, (std::vector<std::int64_t>{8, 9, 8}));
  EXPECT_EQ(s.rows, (std::vector<std::int64_t>{37, 37, 36}));
  EXPECT_EQ(core_sizes(50257, 13).columns, (std::vector<std::int64_t>{1, 13, 1}));
}

TEST(TensorTrain, KeepsWhatWasAskedForOfTheTableAlone) {
  for (const auto& [model, name] : subjects())
    for (const char* method : {"tensor-train", "table-svd"}) {
      SCOPED_TRACE(std::string(name) + " " + method);
      double before = 1;
      for (const double keep : {0.2, 0.5, 0.9}) {
        const Factorized f = factorize(model, {.method = method, .keep = keep});
        ASSERT_EQ(f.tables.size(), 1u);
        EXPECT_EQ(f.tables[0].table, name);
        EXPECT_LE(f.tables[0].kept, keep);
        EXPECT_GT(f.tables[0].kept, keep - 0.2);
        EXPECT_NEAR(share_lost(values(model, name), values(f.model, name)), f.tables[0].lost, 1e-5);
        EXPECT_LT(f.tables[0].lost, before);
        before = f.tables[0].lost;
        EXPECT_EQ(f.model.parameters(), model.parameters());
        const auto table_bytes = static_cast<double>(4 * model.size(name));
        EXPECT_NEAR(static_cast<double>(weight_bytes(model) - weight_bytes(f.model)),
                    table_bytes * (1 - f.tables[0].kept), 1);
        for (const WeightInfo& weight : model.weights())
          if (weight.name != name) {
            EXPECT_EQ(values(f.model, weight.name), values(model, weight.name));
          }
      }
    }
}

TEST(TensorTrain, FoldersAreOpenedAndExpanded) {
  for (const auto& [model, name] : subjects())
    for (const char* type : {"f32", "bf16", "f16"}) {
      SCOPED_TRACE(std::string(name) + " " + type);
      const TemporaryFolder folder;
      model.save(folder.file("f32"));
      convert(folder.file("f32"), folder.file("in"), {.type = type});
      const Factorized f = in_cores(open(folder.file("in")), 0.5);
      f.model.save(folder.file("out"));
      const Model opened = open(folder.file("out"));
      EXPECT_TRUE(opened.notes().empty()) << opened.notes()[0];
      EXPECT_EQ(opened.weights_hash(), f.model.weights_hash());
      EXPECT_EQ(logits(opened), logits(f.model));
      const auto config = nlohmann::json::parse(read_whole(folder.file("out/config.json")));
      EXPECT_EQ(config["quantization_config"]["weights"][name], std::string("tensor_train/") + type);
      opened.save(folder.file("again"));
      EXPECT_EQ(open(folder.file("again")).weights_hash(), opened.weights_hash());
      EXPECT_EQ(std::filesystem::file_size(folder.file("again/model.safetensors")),
                std::filesystem::file_size(folder.file("out/model.safetensors")));
      convert(folder.file("out"), folder.file("dense"), {.type = type});
      const Model dense = open(folder.file("dense"));
      EXPECT_EQ(dense.weights_hash(), opened.weights_hash());
      EXPECT_TRUE(dense.impl().store.trees().empty());
      EXPECT_EQ(logits(dense), logits(opened));
      EXPECT_EQ(continued(dense), continued(opened));
    }
}

// Where rows alone are taken nobody holds the table; where it is the head too, it is expanded once for both.
TEST(TensorTrain, RowsAreComputedFromCores) {
  const Model model = in_cores(untied(), 0.3).model;
  const std::string program = printed(model);
  EXPECT_NE(program.find("core_embedding"), std::string::npos);
  EXPECT_EQ(program.find(std::string(llama_table) + ":"), std::string::npos);
  const auto arena = [](const Model& m) {
    return GeneratePlan(m, {.context = 32, .threads = 1}).forecast().arena_bytes;
  };
  const std::int64_t table = 97 * 100 * 4, saved = arena(untied()) - arena(model);
  EXPECT_GT(saved, table / 2);
  EXPECT_LE(saved, table);
  EXPECT_EQ(printed(in_cores(tied(), 0.3).model).find("core_embedding"), std::string::npos);
}

TEST(TensorTrain, AHeadOfLowRankMultipliesByBothFactors) {
  const Factorized f = factorize(tied(), {.method = "table-svd", .keep = 0.5});
  EXPECT_NE(printed(f.model).find("core_embedding"), std::string::npos);
  EXPECT_NE(printed(f.model).find(std::string(gpt2_table) + ".core1"), std::string::npos);
  const TemporaryFolder folder;
  f.model.save(folder.file("low"));
  convert(folder.file("low"), folder.file("dense"), {});
  EXPECT_LT(largest_difference(logits(f.model), logits(open(folder.file("dense")))), 2e-5);
  EXPECT_EQ(continued(f.model), continued(open(folder.file("dense"))));
}

TEST(TensorTrain, NotesSayWhatLosesLess) {
  const Factorized f = in_cores(untied(), 0.3);
  std::string all;
  for (const std::string& note : f.notes) all += note + "\n";
  EXPECT_NE(all.find("squares are lost"), std::string::npos) << all;
  EXPECT_NE(all.find("hone quantize --table-bits 4"), std::string::npos) << all;
  EXPECT_EQ(all.find("head"), std::string::npos) << all;
  for (const char* method : {"tensor-train", "table-svd"}) {
    all.clear();
    for (const std::string& note : factorize(tied(), {.method = method, .keep = 0.3}).notes)
      all += note + "\n";
    EXPECT_NE(all.find("it is the head too"), std::string::npos) << all;
  }
}

// Trained whole, the table is dense again, also where it was f32; beside an adapter it stays as it is stored.
TEST(TensorTrain, IsDenseOnceTrained) {
  const Model model = in_cores(TinyGpt2{.dropout = 0}.model(), 0.5).model;
  const TemporaryFolder folder;
  Trainer t(TrainPlan(model, {.batch = 4, .seq = 20, .threads = 1}));
  t.step(toy_batch(0, 4, 20, 67), {.lr = 1e-2f});
  EXPECT_NE(t.weights_hash(), model.weights_hash());
  t.save(folder.file("trained"));
  EXPECT_EQ(open(folder.file("trained")).weights_hash(), t.weights_hash());
  EXPECT_TRUE(open(folder.file("trained")).impl().store.trees().empty());
  Trainer beside(TrainPlan(with_lora(model, {.rank = 2}), {.batch = 4, .seq = 20, .threads = 1}));
  const double first = beside.step(toy_batch(0, 4, 20, 67), {.lr = 1e-2f}).loss;
  for (std::int64_t n = 1; n < 20; ++n) beside.step(toy_batch(0, 4, 20, 67), {.lr = 1e-2f});
  EXPECT_LT(beside.step(toy_batch(0, 4, 20, 67), {.lr = 1e-2f}).loss, first);
}

// Other methods leave the cores as they are.
TEST(TensorTrain, GoesWithOtherMethods) {
  for (const auto& [model, name] : subjects()) {
    SCOPED_TRACE(name);
    const Model cores = in_cores(model, 0.5).model;
    const Quantized q = quantize(cores, nullptr, {.bits = 8, .group = 32});
    EXPECT_TRUE(q.model.impl().store.trees().contains(name));
    ASSERT_FALSE(q.notes.empty());
    EXPECT_NE(q.notes[0].find("stay as they are"), std::string::npos);
    const TemporaryFolder folder;
    q.model.save(folder.file("both"));
    EXPECT_EQ(values(open(folder.file("both")), name), values(cores, name));
    const Model low = factorize(cores, {.keep = 0.7}).model;
    low.save(folder.file("low"));
    EXPECT_EQ(values(open(folder.file("low")), name), values(cores, name));
  }
}

TEST(TensorTrain, RefusesWhatFitsNoTable) {
  const Model model = tied();
  const auto refused = [&](FactorizeOptions o, const char* words) {
    if (o.method == "svd") o.method = "tensor-train";
    const std::string message = error_of(ErrorKind::usage, [&] { factorize(model, o); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  refused({.keep = 0.001}, "or more");
  refused({.keep = 0}, "keep");
  refused({.rows = {3, 3, 3}}, "67 or more");
  refused({.rows = {60, 60, 3}}, "67 to 134");
  refused({.rows = {9, 8}}, "as many of both");
  refused({.rows = {3, 3, 3, 3}, .columns = {1, 1, 3, 17}}, "two or three");
  refused({.rows = {-3, -3, 9}}, "above 0");
  refused({.columns = {2, 5, 5}}, "product is 51");
  refused({.ranks = {3}}, "2 ranks");
  refused({.ranks = {3, 0}}, "1 to");
  refused({.ranks = {100000, 3}}, "1 to");
  refused({.method = "table-svd", .ranks = {52}}, "1 to 51");
  refused({.method = "table-svd", .rows = {67, 1}}, "tensor-train");
  error_of(ErrorKind::usage, [&] { factorize(model, {.ranks = {3}}); });
  EXPECT_NE(error_of(ErrorKind::input, [&] { in_cores(in_cores(model, 0.5).model, 0.3); }).find("already"),
            std::string::npos);
  const Model coded = quantize(model, nullptr, {.bits = 8, .group = 32}).model;
  EXPECT_NE(error_of(ErrorKind::input, [&] { in_cores(coded, 0.3); }).find("no factors"), std::string::npos);
}

// A config that says another storage than the file has, and cores that make no table.
TEST(TensorTrain, RefusesFilesWhoseCoresAreNone) {
  const TemporaryFolder folder;
  in_cores(tied(), 0.5).model.save(folder.file("out"));
  const std::string config_file = folder.file("out/config.json");
  const auto config = nlohmann::json::parse(read_whole(config_file));
  const auto refused = [&](const char* type, const char* words) {
    auto changed = config;
    changed["quantization_config"]["weights"][gpt2_table] = type;
    folder.write("out/config.json", changed.dump());
    const std::string message = error_of(ErrorKind::input, [&] { open(folder.file("out")); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  refused("tensor_train/bf16", "BF16");
  refused("tensor_train/q4_g64", "no such type");
  refused("bitmap/f32", "missing");
  auto wider = config;
  wider["n_embd"] = 54;
  folder.write("out/config.json", wider.dump());
  error_of(ErrorKind::input, [&] { open(folder.file("out")); });
  wider = config;
  wider["vocab_size"] = 1000;
  folder.write("out/config.json", wider.dump());
  EXPECT_NE(error_of(ErrorKind::input, [&] { open(folder.file("out")); }).find("1000 or more"),
            std::string::npos);
  auto none = config;
  none["quantization_config"]["weights"].erase(gpt2_table);
  folder.write("out/config.json", none.dump());
  error_of(ErrorKind::input, [&] { open(folder.file("out")); });
}

}  // namespace
}  // namespace hone
