// Weights kept without their zeros: the same numbers from every storage, smaller files, the same text.
#include "hone/sparse.hpp"
#include "hone/convert.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../temporary_folder.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"
#include "hone/text.hpp"
#include "hone/train.hpp"
#include "machine/isa.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

Model pruned(const std::string& pattern = "unstructured", double sparsity = 0.5) {
  return prune(preset("llama-tiny", {.vocab_size = 256, .seed = 5}),
               {.sparsity = sparsity, .pattern = pattern})
      .model;
}
Model in_eight_bits(const Model& model) {
  return quantize(model, nullptr, {.method = "rtn", .bits = 8, .group = 32}).model;
}
Model in_four_bits(const Model& model, std::int64_t group, const std::string& method = "rtn") {
  static const Text text = Text::of(std::string(4000, 'a') + "what is learned from");
  return quantize(model, &text,
                  {.method = method,
                   .bits = 4,
                   .group = group,
                   .symmetric = true,
                   .sample = {.windows = 4, .seq = 64}})
      .model;
}

std::int64_t file_bytes(const std::string& folder) {
  return static_cast<std::int64_t>(std::filesystem::file_size(folder + "/model.safetensors"));
}

// Saved and opened it is the model; and it takes less room than before, by what its layers say.
void is_the_model(const Model& model, const std::string& storage) {
  SCOPED_TRACE(storage);
  const TemporaryFolder folder;
  model.save(folder.file("dense"));
  const Sparse sparse = store_sparse(model, storage);
  EXPECT_EQ(sparse.model.weights_hash(), model.weights_hash());
  sparse.model.save(folder.file("sparse"));
  const Model opened = open(folder.file("sparse"));
  EXPECT_EQ(opened.weights_hash(), model.weights_hash());
  std::int64_t less = 0;
  for (const SparseLayer& layer : sparse.layers) {
    EXPECT_NE(layer.storage, "dense") << layer.name;
    EXPECT_LT(layer.kept, layer.break_even);
    less += layer.dense_bytes - layer.bytes;
  }
  EXPECT_GT(less, 0);
  EXPECT_NEAR(static_cast<double>(file_bytes(folder.file("dense")) - file_bytes(folder.file("sparse"))),
              static_cast<double>(less), 9000);  // headers, which name the parts
  opened.save(folder.file("again"));             // sparse as it was
  EXPECT_EQ(file_bytes(folder.file("again")), file_bytes(folder.file("sparse")));
  EXPECT_EQ(store_sparse(opened, "dense").model.weights_hash(), model.weights_hash());
}

TEST(SparseStorage, HoldsTheSameNumbers) {
  for (const std::string storage : {"auto", "bitmap"}) is_the_model(pruned(), storage);
  is_the_model(pruned("unstructured", 0.8), "csr");
  is_the_model(pruned("2:4"), "2:4");
  for (const std::string storage : {"block", "4x1"}) is_the_model(pruned("4x1", 0.7), storage);
  for (const std::string storage : {"block", "16x1"}) is_the_model(pruned("16x1", 0.7), storage);
}

TEST(SparseStorage, HoldsCodesOfEightBits) {
  is_the_model(in_eight_bits(pruned()), "auto");
  is_the_model(in_eight_bits(pruned("unstructured", 0.9)), "csr");
  is_the_model(in_eight_bits(pruned("2:4")), "2:4");
  is_the_model(in_eight_bits(pruned("16x1", 0.7)), "16x1");
}

// Two to a byte, with scales alone: of groups of 64 and 128 the minima follow from them.
TEST(SparseStorage, HoldsCodesOfFourBits) {
  for (const std::int64_t group : {32, 64, 128}) {
    SCOPED_TRACE(group);
    is_the_model(in_four_bits(pruned(), group), "auto");
    is_the_model(in_four_bits(pruned("unstructured", 0.9), group), "csr");
    is_the_model(in_four_bits(pruned("2:4"), group), "2:4");
    is_the_model(in_four_bits(pruned("4x1", 0.7), group), "4x1");
    is_the_model(in_four_bits(pruned("16x1", 0.7), group), "16x1");
  }
  const Sparse half = store_sparse(in_four_bits(pruned(), 64));
  for (const SparseLayer& layer : half.layers) {
    EXPECT_EQ(layer.storage, "bitmap");
    EXPECT_NEAR(8.0 * static_cast<double>(layer.bytes) / static_cast<double>(layer.elements), 3.25, 0.1);
  }
}

// What gptq makes good lies in weights that are there: a zero has a code, and keeps it.
TEST(SparseStorage, GptqLeavesZeros) {
  const Model half = pruned();
  for (const Model& coded : {in_four_bits(half, 64, "gptq"), in_four_bits(half, 32, "gptq")})
    for (const SparseLayer& layer : store_sparse(coded).layers) EXPECT_LE(layer.kept, 0.5) << layer.name;
}

// Where zero is no code there is nothing to leave out.
TEST(SparseStorage, CodesThatAreNotAboutZeroStayDense) {
  const Model model = quantize(pruned(), nullptr, {.bits = 4, .group = 64, .symmetric = false}).model;
  for (const SparseLayer& layer : store_sparse(model, "bitmap").layers) EXPECT_EQ(layer.storage, "dense");
}

// Weights that are trained are dense from then on, in f32 too: what a file holds is what was trained.
TEST(SparseStorage, WhatIsTrainedIsKept) {
  const Text text = Text::of(std::string(4000, 'a') + "what is learned from");
  for (const char* storage : {"bitmap", "csr", "16x1"}) {
    const TemporaryFolder folder;
    store_sparse(pruned("16x1", 0.9), storage).model.save(folder.file("sparse"));
    const Model model = open(folder.file("sparse"));
    Trainer trainer(TrainPlan(model, {.batch = 2, .seq = 16, .threads = 1}));
    trainer.step(text.batch(0, 2, 16), {.lr = 1e-2f});
    EXPECT_NE(trainer.weights_hash(), model.weights_hash());
    trainer.save(folder.file("trained"));
    EXPECT_EQ(open(folder.file("trained")).weights_hash(), trainer.weights_hash()) << storage;
  }
}

TEST(SparseStorage, WhatIsExpandedSaysSo) {
  const Sparse sparse = store_sparse(pruned("unstructured", 0.8), "bitmap");
  for (const SparseLayer& layer : sparse.layers) EXPECT_FALSE(layer.runs_sparse);
  ASSERT_FALSE(sparse.notes.empty());
  EXPECT_NE(sparse.notes[0].find("expanded when loaded"), std::string::npos);
}

TEST(SparseStorage, AutoTakesTheSmallest) {
  const auto storages = [](const Model& model) {
    std::set<std::string> found;
    for (const SparseLayer& layer : store_sparse(model).layers) found.insert(layer.storage);
    return found;
  };
  EXPECT_EQ(storages(pruned()), std::set<std::string>{"bitmap"});
  EXPECT_EQ(storages(pruned("unstructured", 0.99)), std::set<std::string>{"csr"});
  EXPECT_EQ(storages(pruned("16x1", 0.7)), std::set<std::string>{"16x1"});
  EXPECT_EQ(storages(in_eight_bits(pruned("2:4"))), std::set<std::string>{"2:4"});
  const Sparse none = store_sparse(preset("llama-tiny", {.vocab_size = 256}));
  EXPECT_EQ(storages(none.model), std::set<std::string>{"dense"});
  ASSERT_EQ(none.notes.size(), 1u);
  EXPECT_NE(none.notes[0].find("stay dense"), std::string::npos);
}

std::vector<float> logits_after(const Model& model, const GenerateOptions& options, std::int64_t prompt) {
  Generator generator{GeneratePlan(model, options)};
  std::vector<std::int32_t> ids(static_cast<std::size_t>(prompt));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(7 * i % 200 + 3);
  generator.append(ids);
  const std::int32_t next = 17;
  generator.append({&next, 1});
  const auto logits = generator.logits();
  return {logits.begin(), logits.end()};
}

// What is read sparse has the bits of what is read dense, and it is read so where hone says it is.
TEST(SparseStorage, RunsWithTheBitsOfTheDenseCodes) {
  for (const auto& [pattern, storage] :
       {std::pair{"unstructured", "bitmap"}, {"unstructured", "csr"}, {"2:4", "2:4"}, {"16x1", "16x1"}}) {
    SCOPED_TRACE(storage);
    const Model dense = in_eight_bits(pruned(pattern, pattern == std::string("2:4") ? 0.5 : 0.9));
    const Sparse sparse = store_sparse(dense, storage);
    const Model four = in_four_bits(pruned(pattern, pattern == std::string("2:4") ? 0.5 : 0.9), 64);
    const Sparse four_sparse = store_sparse(four, storage);
    for (const Isa isa : all_isas) {
      if (!cpu_has(isa)) continue;
      const GenerateOptions options{.threads = 2, .isa = std::string(name(isa))};
      for (const std::int64_t prompt : {1, 37}) {
        EXPECT_EQ(logits_after(sparse.model, options, prompt), logits_after(dense, options, prompt));
        EXPECT_EQ(logits_after(four_sparse.model, options, prompt), logits_after(four, options, prompt));
      }
    }
    const bool wide = best_isa() == Isa::avx512_bf16,
               eight = wide || (storage == std::string("2:4") && best_isa() != Isa::portable);
    for (const SparseLayer& layer : sparse.layers)
      EXPECT_EQ(layer.runs_sparse, eight && layer.storage != "dense");
    for (const SparseLayer& layer : four_sparse.layers)
      EXPECT_EQ(layer.runs_sparse, wide && layer.storage != "dense");
  }
}

// Of many rows in f32; a token's sums have a shape of their own.
TEST(SparseStorage, BlocksRunWithTheBitsOfTheDenseWeights) {
  for (const std::string pattern : {"16x1", "4x1"}) {
    SCOPED_TRACE(pattern);
    const Model dense = pruned(pattern, 0.8);
    const Sparse sparse = store_sparse(dense, pattern);
    for (const SparseLayer& layer : sparse.layers) EXPECT_EQ(layer.runs_sparse, layer.storage != "dense");
    for (const Isa isa : all_isas) {
      if (!cpu_has(isa) || isa == Isa::portable) continue;
      const auto after = [&](const Model& model, Precision precision) {
        const GenerateOptions options{.precision = precision, .threads = 2, .isa = std::string(name(isa))};
        Generator generator(GeneratePlan(model, options));
        generator.append(std::vector<std::int32_t>(64, 65));
        return std::vector<float>(generator.logits().begin(), generator.logits().end());
      };
      EXPECT_EQ(after(sparse.model, Precision::f32), after(dense, Precision::f32)) << name(isa);
      const auto got = after(sparse.model, Precision::bf16), want = after(dense, Precision::bf16);
      for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 0.05) << name(isa);
    }
    const auto bytes = [](const Model& model) {
      return GeneratePlan(model, {.threads = 1}).forecast().peak_bytes;
    };
    EXPECT_LT(bytes(sparse.model), bytes(dense));
  }
}

// Who asks for a type gets dense weights, also where they are in that type already.
TEST(SparseStorage, ConvertedToAFolderItIsDense) {
  const TemporaryFolder folder;
  const Model dense = pruned("16x1", 0.8);
  store_sparse(dense, "16x1").model.save(folder.file("sparse"));
  convert(folder.file("sparse"), folder.file("dense"), {.type = "f32"});
  dense.save(folder.file("before"));
  EXPECT_EQ(file_bytes(folder.file("dense")), file_bytes(folder.file("before")));
  EXPECT_EQ(open(folder.file("dense")).weights_hash(), dense.weights_hash());
}

TEST(SparseStorage, WhatRunsSparseTakesLessMemory) {
  if (best_isa() != Isa::avx512_bf16) GTEST_SKIP() << "this CPU expands what it loads";
  const Model dense = in_eight_bits(pruned("unstructured", 0.8));
  const auto bytes = [](const Model& model) {
    return GeneratePlan(model, {.threads = 1}).forecast().peak_bytes;
  };
  EXPECT_LT(bytes(store_sparse(dense, "bitmap").model), bytes(dense));
}

TEST(SparseStorage, WhatCannotBeIsSaid) {
  EXPECT_NE(error_of(ErrorKind::usage, [] { store_sparse(pruned(), "bitmpa"); }).find("bitmap"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorKind::input, [] { store_sparse(pruned(), "2:4"); }).find("q_proj"),
            std::string::npos);
}

// A folder whose parts were altered is refused, by name, in one way or the other; never read as something.
TEST(SparseStorage, DamagedPartsAreRefused) {
  const TemporaryFolder folder;
  store_sparse(in_eight_bits(pruned("unstructured", 0.9)), "csr").model.save(folder.file("csr"));
  store_sparse(pruned("2:4"), "2:4").model.save(folder.file("half"));
  const std::string where = "model.layers.0.mlp.up_proj.weight";
  const auto with_byte = [&](const std::string& model, const std::string& part, std::size_t at, char value) {
    const std::string path = folder.file(model) + "/model.safetensors", good = read_whole(path);
    std::uint64_t header = 0;
    std::memcpy(&header, good.data(), 8);
    const auto json = nlohmann::json::parse(good.substr(8, header));
    const auto begin = json.at(where + "." + part).at("data_offsets").at(0).get<std::size_t>();
    std::string bad = good;
    bad[8 + header + begin + at] = value;
    folder.write(model + "/model.safetensors", bad);
    const std::string message = error_of(ErrorKind::input, [&] { open(folder.file(model)); });
    folder.write(model + "/model.safetensors", good);
    EXPECT_NE(message.find(where), std::string::npos) << message;
  };
  with_byte("csr", "columns", 1, '\x7F');     // far to the right
  with_byte("csr", "row_starts", 0, '\x01');  // does not begin at 0
  with_byte("csr", "row_starts", 7, '\x7F');  // huge
  with_byte("half", "mask", 0, '\x0F');       // four of four
  auto config = nlohmann::json::parse(read_whole(folder.file("half") + "/config.json"));
  const auto with_type = [&](const std::string& type) {
    config["quantization_config"]["weights"][where] = type;
    folder.write("half/config.json", config.dump());
    return error_of(ErrorKind::input, [&] { open(folder.file("half")); });
  };
  EXPECT_NE(with_type("2:4/q4_1").find("nearest"), std::string::npos);
  EXPECT_NE(with_type("csr/f32").find("missing"), std::string::npos);
  EXPECT_NE(with_type("16x1/f32").find(where), std::string::npos);
}

}  // namespace
}  // namespace hone
