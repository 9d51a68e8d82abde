// Quantized models: what they weigh, what they keep of the model, what is refused.
#include "hone/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "compress/awq.hpp"
#include "compress/bit_mix.hpp"
#include "compress/changed_model.hpp"
#include "compress/coded_weights.hpp"
#include "compress/weight_values.hpp"
#include "difference.hpp"
#include "hone/compare.hpp"
#include "hone/compress.hpp"
#include "hone/convert.hpp"
#include "hone/error.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/prune.hpp"
#include "hone/sparse.hpp"
#include "hone/train.hpp"
#include "machine/isa.hpp"
#include "model/model_impl.hpp"
#include "model/quantized.hpp"
#include "temporary_folder.hpp"
#include "train/pruned_matrices.hpp"

namespace hone {
namespace {

std::string prose() {
  std::string text;
  for (int i = 0; i < 400; ++i)
    text += "the cat sat on the mat, and " + std::to_string(i * i % 97) + " mice ran. ";
  return text;
}

Model llama() { return preset("llama-tiny", {.vocab_size = 256, .seed = 5}); }
constexpr std::int64_t seq = 32;

Text text() { return Text::of(prose()); }
// Methods that look at inputs need a model that has learnt something.
const Model& trained() {
  static const Model model = [] {
    Trainer trainer(TrainPlan(llama(), {.batch = 8, .seq = seq}));
    for (int n = 0; n < 120; ++n) trainer.step(text().batch(n, 8, seq), {.lr = 3e-3f, .clip = 1});
    return trainer.model();
  }();
  return model;
}
QuantizeOptions with(const char* method, double bits) {
  return {.method = method, .bits = bits, .sample = {.windows = 16, .seq = seq}};
}
double kl(const Model& model, const Quantized& q) {
  return compare(model, q.model, text(), {.seq = seq, .max_tokens = 512}).kl;
}

// Scales are kept in f16: a model that would compute NaN is never made, by whatever method.
TEST(Quantize, AValueBeyondF16IsNamed) {
  const std::string damaged = "model.layers.1.mlp.up_proj.weight";
  const Model far = changed(trained(), [&](const std::string& name, auto& values) {
    if (name == damaged) values[5] = -1e5f;
  });
  const Text sample = text();
  for (const char* method : {"rtn", "hqq"})
    EXPECT_NE(error_of(ErrorKind::input, [&] { quantize(far, &sample, with(method, 4)); }).find(damaged),
              std::string::npos)
        << method;
  for (const char* method : {"gptq", "awq"})  // these may cut it off
    EXPECT_TRUE(std::isfinite(evaluate(quantize(far, &sample, with(method, 4)).model, sample).loss))
        << method;
  const TemporaryFolder folder;
  far.save(folder.path() + "/far");
  for (const char* type : {"f16", "q4_1"})
    EXPECT_NE(error_of(ErrorKind::input,
                       [&] { convert(folder.path() + "/far", folder.path() + "/far.gguf", {.type = type}); })
                  .find(damaged),
              std::string::npos)
        << type;
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/far.gguf"));
}

// What no scale in f16 is small enough for is said.
TEST(Quantize, GroupsThatVanishAreCounted) {
  const Model small = changed(trained(), [](const std::string& name, auto& values) {
    if (name == "model.layers.0.mlp.up_proj.weight")
      for (float& x : values) x *= 1e-9f;
  });
  const Quantized q = quantize(small, nullptr, with("rtn", 8));
  EXPECT_TRUE(std::ranges::any_of(q.notes, [](const std::string& note) {
    return note.find("model.layers.0.mlp.up_proj.weight") != std::string::npos &&
           note.find("become zero") != std::string::npos;
  }));
}

TEST(Quantize, MoreBitsAreNearerToTheModel) {
  const Model& model = trained();
  const Text sample = text();
  for (const std::string method : {"rtn", "hqq", "gptq", "awq"}) {  // hqq is rtn in 8 bits
    double before = 1e9;
    for (const double bits : {2.0, 4.0, 8.0}) {
      const double now = kl(model, quantize(model, &sample, with(method.c_str(), bits)));
      EXPECT_LT(now, before) << method << ", " << bits << " bits";
      before = now;
    }
    EXPECT_LT(before, 1e-3) << method;
  }
}

TEST(Quantize, RefinedCodesAreNearerThanThoseThatTheyBeganAs) {
  const Model& model = trained();
  const Text sample = text();
  QuantizeOptions o = with("refined", 2);
  o.refine = {.steps = 100, .batch = 8, .seq = seq, .lr = 1e-4f, .alpha = 1};
  EXPECT_LT(kl(model, quantize(model, &sample, o)),
            0.7 * kl(model, quantize(model, &sample, with("gptq", 2))));
}

TEST(Quantize, WhatLearnsFromATextIsNearer) {
  const Model& model = trained();
  const Text sample = text();
  const double nearest = kl(model, quantize(model, nullptr, with("rtn", 3)));
  for (const char* method : {"gptq", "awq"})
    EXPECT_LT(kl(model, quantize(model, &sample, with(method, 3))), 0.7 * nearest) << method;
}

// Its own way of rounding is taken of a method that learns nothing too, with a text or without.
TEST(Quantize, EachMethodRoundsInItsOwnWay) {
  const Model& model = trained();
  const Text sample = text();
  std::set<std::string> hashes;
  for (const std::string& method : quantize_methods()) {
    QuantizeOptions o = with(method.c_str(), 3);
    o.refine = {.steps = 2, .batch = 2, .seq = seq};
    const std::string hash = quantize(model, &sample, o).model.weights_hash();
    EXPECT_TRUE(hashes.insert(hash).second) << method;
    if (needs_text(o)) continue;
    EXPECT_EQ(quantize(model, nullptr, o).model.weights_hash(), hash) << method;
  }
}

// What AWQ folds into norms and gated products is taken out again by those who read them.
TEST(Quantize, ScalingChannelsChangesNothingButTheRounding) {
  for (const char* family : {"llama-tiny", "tiny"}) {
    const Model model = preset(family, {.vocab_size = 256, .seed = 6});
    const Text sample = text();
    EXPECT_LT(kl(model, quantize(model, &sample, with("awq", 8))), 1e-4) << family;
  }
}

TEST(Quantize, InputsThatCanBeDividedAreThoseOfNormsAndGates) {
  const Model model = llama();
  calibrate(model, text(), {.windows = 1, .seq = 16}, [&](const LayerMoments& layer) {
    if (layer.name != "model.layers.0") return NewWeights{};
    std::map<std::vector<std::string>, std::vector<std::string>> found;
    for (const InputMaker& m : input_makers(layer)) found[m.products] = m.divided;
    const std::string at = "model.layers.0.";
    EXPECT_EQ((found[{at + "self_attn.q_proj.weight", at + "self_attn.k_proj.weight",
                      at + "self_attn.v_proj.weight"}]),
              std::vector<std::string>{at + "input_layernorm.weight"});
    EXPECT_EQ((found[{at + "mlp.down_proj.weight"}]), std::vector<std::string>{at + "mlp.up_proj.weight"});
    EXPECT_EQ(found.size(), 3u);
    return NewWeights{};
  });
}

TEST(Quantize, AMixHasTheBitsThatWereAskedFor) {
  const Model model = llama();
  const QuantizeOptions o = with("gptq", 3.25);
  ASSERT_TRUE(is_mix(o));
  const auto bits = mixed_bits(model, text(), o);
  std::int64_t sum = 0, elements = 0;
  std::set<int> kinds;
  for (const MatrixWeight& w : matrices_of(model)) {
    if (w.table) continue;
    sum += bits.at(w.name) * w.rows * w.columns, elements += w.rows * w.columns;
    kinds.insert(bits.at(w.name));
  }
  const double mean = static_cast<double>(sum) / static_cast<double>(elements);
  EXPECT_LE(mean, 3.25);
  EXPECT_GT(mean, 2.9);
  EXPECT_GT(kinds.size(), 1u);
}

TEST(Quantize, ASizeIsKept) {
  const Model model = llama();
  QuantizeOptions o = with("rtn", 4);
  const Text sample = text();
  o.size_bytes = 250'000;
  const TemporaryFolder folder;
  quantize(model, &sample, o).model.save(folder.path() + "/small");
  const auto bytes =
      static_cast<std::int64_t>(std::filesystem::file_size(folder.path() + "/small/model.safetensors"));
  EXPECT_LE(bytes, 250'000);
  EXPECT_GT(bytes, 200'000);
}

// The whole file, of a folder and of GGUF, in blocks and in other groups; and what is the least is enough.
TEST(Quantize, TheSmallestSizeThatIsSaidIsReached) {
  const TemporaryFolder source;
  const std::string from = source.file("from");
  llama().save(from);
  Tokenizer::bytes().save(from);
  const Text sample = text();
  for (const std::string method : {"rtn", "awq"})
    for (const std::string name : {"out", "out.gguf"})
      for (const std::int64_t group : {32, 64, 96})
        for (const bool symmetric : {false, true}) {
          SCOPED_TRACE(method + " " + name + ", groups of " + std::to_string(group));
          const TemporaryFolder folder;
          Compression work(from, folder.file(name));
          QuantizeOptions o = with(method.c_str(), 4);
          o.group = group, o.symmetric = symmetric, o.whole_groups = work.writes_gguf();
          o.file_bytes = [&](const Model& m) { return work.file_bytes(m); };
          std::int64_t least = 0;
          try {
            o.size_bytes = 5'000;
            quantize(work.model(), &sample, o);
            FAIL();
          } catch (const Error& e) {
            EXPECT_EQ(e.kind(), ErrorKind::budget);
            ASSERT_EQ(std::sscanf(e.text().expected.c_str(), "at least %ld bytes", &least), 1) << e.what();
          }
          o.size_bytes = least - 1;
          error_of(ErrorKind::budget, [&] { quantize(work.model(), &sample, o); });
          o.size_bytes = least;
          const CompressReport r = work.finish(quantize(work.model(), &sample, o).model);
          EXPECT_LE(r.file_bytes, least);
          EXPECT_EQ(r.file_bytes, least);
          for (const std::int64_t more : {1'000, 30'000, 90'000}) {
            Compression another(from, folder.file("more" + std::to_string(more) + name));
            o.size_bytes = least + more;
            const std::int64_t bytes = another.finish(quantize(work.model(), &sample, o).model).file_bytes;
            EXPECT_LE(bytes, o.size_bytes);
            EXPECT_GE(bytes, least);
          }
        }
}

// The one with the fewest bytes; the widest that divides where rows have to be whole.
TEST(Quantize, RowsOfAnyWidthHaveTheGroupOfTheFewestBytes) {
  const auto group = [](int bits, std::int64_t columns, std::int64_t wanted, bool whole = false) {
    const auto grid = grid_of(bits, columns, {.group = wanted, .whole_groups = whole});
    return grid ? grid->group : 0;
  };
  for (const int bits : {2, 3, 4, 8})
    for (const std::int64_t wanted : {32, 64, 128}) {
      EXPECT_EQ(group(bits, 256, wanted), wanted);
      EXPECT_EQ(group(bits, 20, wanted), 32);
    }
  EXPECT_EQ(group(4, 576, 128), 64);  // 324 bytes, not 340
  EXPECT_EQ(group(4, 96, 64), 32);    // 60, not 72
  EXPECT_EQ(group(4, 100, 64), 64);   // 72, not 80
  EXPECT_EQ(group(4, 1056, 64), 64);  // 612, not 660
  EXPECT_EQ(group(2, 160, 64), 32);   // 60 either way
  EXPECT_EQ(group(4, 1056, 64, true), 32);
  EXPECT_EQ(group(4, 576, 128, true), 64);
  EXPECT_EQ(group(4, 100, 64, true), 0);
}

TEST(Quantize, WidthsThatNoGroupDividesAreSaid) {
  const Model model(
      [](Builder& b, Tensor tokens) {
        const auto x = embedding(tokens, b.parameter("table", {32, 96}));
        return linear(linear(relu(linear(x, "in", 48)), "mid", 96), "head", 32);
      },
      {.vocab_size = 32, .context = 16});
  const Quantized q = quantize(model, nullptr, {.bits = 4, .group = 128});
  EXPECT_EQ(q.notes,
            (std::vector<std::string>{
                "rows of 48 are no multiple of 128: groups of 64 there, the last one of each row filled up",
                "rows of 96 are no multiple of 128: groups of 32 there"}));
  const Quantized whole = quantize(model, nullptr, {.bits = 4, .group = 128, .whole_groups = true});
  EXPECT_EQ(whole.notes, (std::vector<std::string>{
                             "rows of 96 are no multiple of 128: groups of 32 there",
                             "rows of 48 are no multiple of 32, as GGUF's are: these stay in bf16"}));
}

// A model whose rows are 100 and 180 wide, and have whole groups nowhere.
class OddModel : public testing::Test {
 protected:
  static const Model& model() {
    static const Model trained = [] {
      Trainer trainer(TrainPlan(odd_llama(256), {.batch = 8, .seq = seq}));
      for (int n = 0; n < 60; ++n) trainer.step(text().batch(n, 8, seq), {.lr = 3e-3f, .clip = 1});
      return trainer.model();
    }();
    return trained;
  }
  static double perplexity(const Model& m) {
    return std::exp(evaluate(m, text(), {.seq = seq, .max_tokens = 512}).loss);
  }
  static std::vector<float> logits(const Model& m, const GenerateOptions& options = {}) {
    Generator generator(GeneratePlan(m, options));
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 9; ++i) ids.push_back('a' + i * 7 % 23);
    generator.append(ids);
    generator.append(std::vector<std::int32_t>{'t'});
    const auto found = generator.logits();
    return {found.begin(), found.end()};
  }
  const TemporaryFolder folder_;
};
class OddWidths : public OddModel, public testing::WithParamInterface<std::pair<const char*, double>> {};

TEST_P(OddWidths, AreQuantizedAndComeBack) {
  const auto& [method, bits] = GetParam();
  const Text sample = text();
  QuantizeOptions o = with(method, bits);
  o.refine = {.steps = 4, .batch = 2, .seq = seq};
  const Quantized q = quantize(model(), &sample, o);
  for (const auto& [name, type] : q.model.impl().store.stored_types())
    EXPECT_EQ(is_blocks(type), q.model.impl().spec(name).shape.rank() == 2) << name;
  q.model.save(folder_.file("small"));
  const Model read = open(folder_.file("small"));
  EXPECT_EQ(read.weights_hash(), q.model.weights_hash());
  EXPECT_EQ(logits(read), logits(q.model));
  const double before = perplexity(model()), after = perplexity(read);
  EXPECT_LT(after, before * (bits == 8 ? 1.01 : bits > 3 ? 1.2 : bits == 3 ? 1.5 : 4)) << before;
  // Products of codes, and of their numbers: apart by activations in eight bits.
  EXPECT_LT(difference(logits(read), logits(read, {.isa = "portable"})), 1e-4);
  if (cpu_has(Isa::avx2)) {
    EXPECT_EQ(logits(read), logits(read, {.isa = "avx2"}));
  }
}

INSTANTIATE_TEST_SUITE_P(Each, OddWidths,
                         testing::Values(std::pair{"rtn", 8.0}, std::pair{"rtn", 4.0}, std::pair{"rtn", 3.0},
                                         std::pair{"rtn", 2.0}, std::pair{"hqq", 3.0}, std::pair{"gptq", 8.0},
                                         std::pair{"gptq", 4.0}, std::pair{"gptq", 3.0},
                                         std::pair{"gptq", 2.0}, std::pair{"awq", 8.0}, std::pair{"awq", 4.0},
                                         std::pair{"awq", 3.0}, std::pair{"refined", 3.0},
                                         std::pair{"gptq", 3.5}),
                         [](const auto& each) {
                           return std::string(each.param.first) +
                                  std::to_string(static_cast<int>(10 * each.param.second));
                         });

// Bytes are counted with what fills rows up; corrections and sparse storage go with it.
TEST_F(OddModel, GoesWithSizesCorrectionsAndSparseStorage) {
  const Text sample = text();
  QuantizeOptions o = with("rtn", 4);
  o.size_bytes = 120'000;
  const Quantized small = quantize(model(), &sample, o);
  EXPECT_LE(weight_bytes(small.model), 120'000);
  EXPECT_GT(weight_bytes(small.model), 100'000);
  o = with("gptq", 2);
  const double without = kl(model(), quantize(model(), &sample, o));
  o.correction.rank = 8;
  const Quantized corrected = quantize(model(), &sample, o);
  EXPECT_LT(kl(model(), corrected), without);
  corrected.model.save(folder_.file("corrected"));
  EXPECT_EQ(logits(open(folder_.file("corrected"))), logits(corrected.model));
  for (const double bits : {4.0, 8.0}) {
    const Model half = prune(model(), {.sparsity = 0.5}).model;
    const Model coded = quantize(half, nullptr, {.bits = bits, .symmetric = true}).model;
    const Sparse sparse = store_sparse(coded, "bitmap");
    EXPECT_EQ(sparse.model.weights_hash(), coded.weights_hash());
    for (const SparseLayer& layer : sparse.layers) EXPECT_EQ(layer.storage, "bitmap") << layer.name;
    sparse.model.save(folder_.file("sparse"));
    const Model read = open(folder_.file("sparse"));
    EXPECT_EQ(read.weights_hash(), coded.weights_hash());
    EXPECT_EQ(logits(read), logits(coded)) << bits;
  }
}

// Weights and activations in eight bits.
TEST_F(OddModel, HasProductsInEightBits) {
  const Model codes = quantize(model(), nullptr, {.bits = 8}).model;
  for (const Model& m : {model(), codes}) {
    const double whole = evaluate(m, text(), {.seq = seq, .max_tokens = 256}).loss;
    EXPECT_NEAR(evaluate(m, text(), {.seq = seq, .max_tokens = 256, .int8 = true}).loss, whole, 0.02 * whole);
    EXPECT_LT(difference(logits(m, {.int8 = true}), logits(m)), 0.05);
  }
  EXPECT_NE(GeneratePlan(model(), {.int8 = true}).print().find("int8_linear"), std::string::npos);
}

// Each one of them; of a model that is none, codes are as ever.
TEST(Quantize, APrunedModelsZerosStay) {
  const Text sample = text();
  const Model half = prune(trained(), {.sparsity = 0.5}).model;
  EXPECT_NEAR(share_of_zeros(half), 0.5, 0.01);
  for (const char* method : {"rtn", "gptq", "awq", "refined"})
    for (const double bits : {3.0, 4.0}) {
      QuantizeOptions o = with(method, bits);
      o.refine.steps = 3, o.refine.seq = seq;
      const Quantized q = quantize(half, &sample, o);
      ASSERT_FALSE(q.notes.empty()) << method;
      EXPECT_NE(q.notes.back().find("zero, and stay so"), std::string::npos) << q.notes.back();
      for (const std::string& name : pruned_matrices(half)) {
        const std::vector<float> before = weight_values(half, name), after = weight_values(q.model, name);
        std::int64_t lost = 0;
        for (std::size_t i = 0; i < before.size(); ++i) lost += before[i] == 0 && after[i] != 0;
        EXPECT_EQ(lost, 0) << method << ", " << bits << " bits, " << name;
      }
    }
  QuantizeOptions o = with("rtn", 4);
  EXPECT_TRUE(quantize(trained(), nullptr, o).notes.empty());
  o.symmetric = false;
  const Quantized lost = quantize(half, nullptr, o);
  EXPECT_TRUE(lost.notes.empty());
  EXPECT_LT(share_of_zeros(lost.model), 0.25);
}

TEST(Quantize, ASavedModelIsTheSame) {
  const Model model = llama();
  const Text sample = text();
  const TemporaryFolder folder;
  const Quantized q = quantize(model, &sample, with("gptq", 3));
  q.model.save(folder.path() + "/small");
  EXPECT_EQ(open(folder.path() + "/small").weights_hash(), q.model.weights_hash());
}

void expect_refused(const Model& model, const Text* sample, const QuantizeOptions& o, ErrorKind kind,
                    const char* what) {
  try {
    quantize(model, sample, o);
    FAIL() << what;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind);
    EXPECT_NE(std::string(e.what()).find(what), std::string::npos) << e.what();
  }
}

TEST(Quantize, BadInputIsRefused) {
  const Model model = llama();
  const Text sample = text();
  expect_refused(model, nullptr, {.method = "gptq"}, ErrorKind::usage, "learns from a text");
  expect_refused(model, nullptr, {.bits = 3.5}, ErrorKind::usage, "a mix of bits");
  expect_refused(model, nullptr, {.method = "gtpq"}, ErrorKind::usage, "did you mean gptq");
  expect_refused(model, nullptr, {.bits = 1}, ErrorKind::usage, "2 to 8");
  expect_refused(model, nullptr, {.group = 0}, ErrorKind::usage, "1 or more");
  expect_refused(model, nullptr, {.table_bits = 5}, ErrorKind::usage, "table_bits");
  expect_refused(quantize(model, nullptr, {}).model, nullptr, {}, ErrorKind::input, "quantized already");
}

// Refused before anything is learned.
TEST(Quantize, AGgufFileHasFourBitsOrMore) {
  const Model model = preset("llama-tiny", {.vocab_size = 256});
  for (const QuantizeOptions& o :
       {QuantizeOptions{.bits = 3, .whole_groups = true}, QuantizeOptions{.bits = 3.5, .whole_groups = true}})
    EXPECT_NE(error_of(ErrorKind::usage, [&] { quantize(model, nullptr, o); }).find("4 to 8"),
              std::string::npos);
  const QuantizeOptions table{.whole_groups = true, .table_bits = 3};
  EXPECT_NE(error_of(ErrorKind::usage, [&] { quantize(model, nullptr, table); }).find("table_bits"),
            std::string::npos);
}

}  // namespace
}  // namespace hone
