// Quantized models in groups of any size: in memory, in folders and in GGUF files.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "compress/coded_weights.hpp"
#include "compress/weight_values.hpp"
#include "hone/compare.hpp"
#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/factorize.hpp"
#include "hone/generate.hpp"
#include "hone/lora.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"
#include "hone/sparse.hpp"
#include "hone/train.hpp"
#include "model/model_impl.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

constexpr std::int64_t seq = 32;
const std::string product = "model.layers.0.mlp.up_proj.weight";

Text text() {
  std::string all;
  for (int i = 0; i < 400; ++i)
    all += "the cat sat on the mat, and " + std::to_string(i * i % 97) + " mice ran. ";
  return Text::of(all);
}
Model model_of(const char* family) { return preset(family, {.vocab_size = 256, .seed = 5}); }
const Model& trained() {
  static const Model model = [] {
    Trainer trainer(TrainPlan(model_of("llama-tiny"), {.batch = 8, .seq = seq}));
    for (int n = 0; n < 120; ++n) trainer.step(text().batch(n, 8, seq), {.lr = 3e-3f, .clip = 1});
    return trainer.model();
  }();
  return model;
}
std::vector<float> logits(const Model& m) {
  Generator generator(GeneratePlan(m, {}));
  generator.append(std::vector<std::int32_t>{'t', 'h', 'e', ' ', 'c', 'a', 't'});
  const auto found = generator.logits();
  return {found.begin(), found.end()};
}
std::vector<float> rounded(const Model& m, const MatrixWeight& w, const Grid& grid) {
  ThreadPool pool(1);
  return round_to_nearest(weight_values(m, w.name), w.rows, w.columns, grid, pool).values();
}

class Groups : public testing::TestWithParam<std::tuple<const char*, std::int64_t, int>> {};

TEST_P(Groups, AreKeptAndComeBack) {
  const auto& [family, group, bits] = GetParam();
  const Model model = model_of(family);
  const TemporaryFolder folder;
  const QuantizeOptions o{.bits = static_cast<double>(bits), .group = group, .table_bits = bits};
  const Model made = quantize(model, nullptr, o).model;
  std::int64_t bytes = 0;
  for (const MatrixWeight& w : matrices_of(model)) {
    const Grid grid = *grid_of(bits, w.columns, groups_of(o));
    EXPECT_EQ(grid.group, group < 0 ? w.columns : std::min(group, w.columns));
    EXPECT_EQ(weight_values(made, w.name), rounded(model, w, grid)) << w.name;
    bytes += coded_bytes(w, grid);
  }
  for (const ParameterSpec& spec : model.impl().specs)
    if (spec.shape.rank() == 1) bytes += spec.shape.elements() * 4;
  if (family == std::string("llama-tiny")) {
    EXPECT_EQ(weight_bytes(made), bytes);  // gpt2 has a table of positions besides
  }
  made.save(folder.file("small"));
  const Model read = open(folder.file("small"));
  EXPECT_EQ(read.weights_hash(), made.weights_hash());
  EXPECT_EQ(weight_bytes(read), weight_bytes(made));
  EXPECT_EQ(read.identity(8), made.identity(8));
  EXPECT_EQ(logits(read), logits(made));
  for (const std::string& message :
       {error_of(ErrorKind::input, [&] { quantize(read, nullptr, {}); }),
        error_of(ErrorKind::input, [&] { prune(read, {.method = "magnitude"}); }),
        error_of(ErrorKind::input, [&] { factorize(read, {.keep = 0.5}); })})
    EXPECT_NE(message.find("quantized"), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Each, Groups,
                         testing::Combine(testing::Values("llama-tiny", "tiny"),
                                          testing::Values(1, 10, 16, 48, 96, 256, whole_row),
                                          testing::Values(3, 4, 8)));

TEST(GroupsOfAnySize, FinerOnesLoseLess) {
  double before = 0;
  for (const std::int64_t group : {8, 24, 64, 1000}) {
    const Model made = quantize(trained(), nullptr, {.bits = 3, .group = group}).model;
    const double lost = relative_error(weight_values(trained(), product), weight_values(made, product));
    EXPECT_GT(lost, 1.2 * before) << group;
    before = lost;
  }
}

TEST(GroupsOfAnySize, MethodsThatLearnHaveThemToo) {
  const Text sample = text();
  QuantizeOptions o{.bits = 3, .group = 48, .sample = {.windows = 16, .seq = seq}};
  std::map<std::string, double> kl;
  for (const char* method : {"rtn", "hqq", "gptq", "awq", "refined"}) {
    o.method = method, o.refine = {.steps = 10, .batch = 4, .seq = seq, .lr = 1e-5f};
    const Model made = quantize(trained(), &sample, o).model;
    EXPECT_EQ(name(made.impl().store.trees().at(product)->type), "q3_g48") << method;
    kl[method] = compare(trained(), made, text(), {.seq = seq, .max_tokens = 512}).kl;
    EXPECT_LT(kl[method], 0.02) << method;
  }
  EXPECT_LT(kl["gptq"], 0.8 * kl["rtn"]);
}

TEST(GroupsOfAnySize, AreSaidWhereProductsHaveNoCodes) {
  const auto notes = [](std::int64_t group) {
    std::string all;
    for (const std::string& note : quantize(model_of("llama-tiny"), nullptr, {.group = group}).notes)
      all += note + "\n";
    return all;
  };
  EXPECT_NE(notes(48).find("groups of 48: products"), std::string::npos) << notes(48);
  EXPECT_EQ(notes(whole_row), "");
}

// A GGUF file has a scale for each 32: the same numbers in it, in more bytes.
TEST(GroupsOfAnySize, GoIntoGgufFilesAsMultiplesOf32) {
  const TemporaryFolder folder;
  model_of("llama-tiny").save(folder.file("model"));
  for (const std::int64_t group : {96, 256, static_cast<int>(whole_row)})
    for (const double bits : {4.0, 8.0}) {
      const std::string out = folder.file(std::to_string(group) + "-" + std::to_string(bits) + ".gguf");
      Compression work(folder.file("model"), out, {.tokenizer = "byte"});
      const Quantized q =
          quantize(work.model(), nullptr, {.bits = bits, .group = group, .whole_groups = true});
      work.finish(q.model);
      const Model read = open(out);
      for (const MatrixWeight& w : matrices_of(q.model))
        EXPECT_EQ(weight_values(read, w.name), weight_values(q.model, w.name)) << w.name << " " << group;
    }
  error_of(ErrorKind::usage,
           [&] { quantize(model_of("llama-tiny"), nullptr, {.group = 48, .whole_groups = true}); });
}

TEST(GroupsOfAnySize, AreTrainedAsDenseOnesAndReadBesideAdapters) {
  const Model coded = quantize(trained(), nullptr, {.bits = 4, .group = 24}).model;
  const TemporaryFolder folder;
  Trainer all(TrainPlan(coded, {.batch = 4, .seq = seq}));
  all.step(text().batch(0, 4, seq), {.lr = 1e-2f});
  EXPECT_NE(all.weights_hash(), coded.weights_hash());
  all.save(folder.file("dense"));
  EXPECT_EQ(open(folder.file("dense")).weights_hash(), all.weights_hash());
  EXPECT_TRUE(open(folder.file("dense")).impl().store.trees().empty());
  Trainer beside(TrainPlan(with_lora(coded, {.rank = 2}), {.batch = 4, .seq = seq}));
  const double first = beside.step(text().batch(0, 4, seq), {.lr = 1e-2f}).loss;
  for (int n = 0; n < 10; ++n) beside.step(text().batch(0, 4, seq), {.lr = 1e-2f});
  EXPECT_LT(beside.step(text().batch(0, 4, seq), {.lr = 1e-2f}).loss, first);
}

TEST(GroupsOfAnySize, StayAsTheyAreInSparseStorage) {
  const Model coded = quantize(model_of("llama-tiny"), nullptr, {.bits = 4, .group = 256}).model;
  const Sparse sparse = store_sparse(coded, "bitmap");
  EXPECT_EQ(weight_bytes(sparse.model), weight_bytes(coded));
  ASSERT_FALSE(sparse.notes.empty());
  EXPECT_NE(sparse.notes.front().find("stay as they are"), std::string::npos);
}

TEST(GroupsOfAnySize, DamagedFoldersAreRefused) {
  const TemporaryFolder folder;
  quantize(model_of("llama-tiny"), nullptr, {.bits = 4, .group = 48}).model.save(folder.file("out"));
  const std::string config_file = folder.file("out/config.json");
  const auto config = nlohmann::json::parse(read_whole(config_file));
  EXPECT_EQ(config["quantization_config"]["weights"][product], "q4_g48");
  for (const auto& [type, words] : {std::pair{"q4_g40", "F16[384,4]"},
                                    {"q3_g48", "U8"},
                                    {"q4_g0", "no such type"},
                                    {"q4_g", "no such type"},
                                    {"q5_g48", "no such type"},
                                    {"q4_g99999999999999999999", "no such type"},
                                    {"q4_g64", "missing"}}) {
    auto changed = config;
    changed["quantization_config"]["weights"][product] = type;
    folder.write("out/config.json", changed.dump());
    const std::string message = error_of(ErrorKind::input, [&] { open(folder.file("out")); });
    EXPECT_NE(message.find(words), std::string::npos) << type << ": " << message;
  }
}

}  // namespace
}  // namespace hone
