#include "hone/prune.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "hone/convert.hpp"
#include "model/model_impl.hpp"
#include "store/mask.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

using Mask = std::vector<std::uint8_t>;

TEST(Mask, TheSmallestGo) {
  const std::vector<float> scores{5, 1, 4, 2, 3, 6};
  EXPECT_EQ(kept(scores, 2, 3, *find_pattern("unstructured"), 0.5), (Mask{1, 0, 1, 0, 0, 1}));
  EXPECT_EQ(kept(scores, 2, 3, *find_pattern("unstructured"), 0), Mask(6, 1));
  EXPECT_EQ(kept(std::vector<float>(6, 1), 2, 3, *find_pattern("unstructured"), 0.5),
            (Mask{0, 0, 0, 1, 1, 1}));
}

TEST(Mask, TwoOfEachFourInputs) {
  const std::vector<float> scores{4, 3, 2, 1, 9, 0, 8,  //
                                  1, 2, 3, 4, 5, 7, 6};
  EXPECT_EQ(kept(scores, 2, 7, *find_pattern("2:4"), 0.5),
            (Mask{1, 1, 0, 0, 1, 0, 1,  // of the last three one
                  0, 0, 1, 1, 0, 1, 1}));
}

TEST(Mask, BlocksOfOutputs) {
  // 5 outputs of 2 inputs: a block of four and one of one, for each input
  const std::vector<float> scores{1, 9, 1, 9, 1, 9, 9, 1, 2, 3};
  EXPECT_EQ(kept(scores, 5, 2, *find_pattern("4x1"), 0.25), (Mask{1, 1, 1, 1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(kept(scores, 5, 2, *find_pattern("4x1"), 0.75), (Mask{0, 1, 0, 1, 0, 1, 0, 1, 0, 0}));
}

std::vector<float> values(const Model& model, const std::string& name) {
  std::vector<float> all(static_cast<std::size_t>(model.size(name)));
  model.read(name, all);
  return all;
}

TEST(Prune, MatricesOfProductsLoseTheirSmallest) {
  const Model model = TinyGpt2{}.model();  // 51 wide: no multiple of anything
  const Pruned done = prune(model, {.sparsity = 0.6});
  EXPECT_NEAR(done.sparsity, 0.6, 1e-3);
  EXPECT_TRUE(done.notes.empty());
  for (const WeightInfo& w : model.weights()) {
    const auto before = values(model, w.name), after = values(done.model, w.name);
    const bool product = w.name.find(".c_") != std::string::npos && w.shape.size() == 2;
    if (!product) {
      EXPECT_EQ(before, after) << w.name;
      continue;
    }
    const auto zeros = std::ranges::count(after, 0.0f);
    EXPECT_EQ(zeros, std::llround(0.6 * static_cast<double>(before.size()))) << w.name;
    float most = 0, least = INFINITY;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (after[i] == 0) most = std::max(most, std::abs(before[i]));
      if (after[i] == 0) continue;
      EXPECT_EQ(after[i], before[i]);
      least = std::min(least, std::abs(after[i]));
    }
    EXPECT_LE(most, least) << w.name;
  }
}

TEST(Prune, GroupsAreOfInputsInTransposedFilesToo) {
  const Model model = TinyGpt2{}.model();
  const Pruned done = prune(model, {.pattern = "2:4"});
  const auto w = values(done.model, "transformer.h.0.attn.c_attn.weight");  // [in 51,out 153]
  for (std::size_t out = 0; out < 153; ++out)
    for (std::size_t in = 0; in < 48; in += 4) {
      int zeros = 0;
      for (std::size_t i = in; i < in + 4; ++i) zeros += w[i * 153 + out] == 0;
      ASSERT_EQ(zeros, 2) << in << " " << out;
    }
}

TEST(Prune, TypesOfTheFilesStayAndIsRepeatable) {
  const TemporaryFolder folder;
  const std::string wide = folder.file("wide"), narrow = folder.file("bf16");
  open(HONE_TEST_DATA "/models/llama_tied").save(wide);
  convert(wide, narrow, {.type = "bf16"});
  const Model model = open(narrow);
  const Pruned done = prune(model, {.pattern = "16x1"});
  EXPECT_EQ(done.model.impl().store.stored_types(), model.impl().store.stored_types());
  EXPECT_EQ(done.model.weights_hash(), prune(model, {.pattern = "16x1"}).model.weights_hash());
  EXPECT_EQ(prune(model, {.sparsity = 0}).model.weights_hash(), model.weights_hash());
}

TEST(Prune, SaysWhichRowsItEmptied) {
  const Pruned done = prune(TinyGpt2{}.model(), {.sparsity = 0.999});
  ASSERT_EQ(done.notes.size(), 1u);
  EXPECT_NE(done.notes[0].find("no weight left"), std::string::npos) << done.notes[0];
}

TEST(Prune, BadInput) {
  const Model model = TinyGpt2{}.model();
  const auto said = [&](const PruneOptions& o) {
    return error_of(ErrorKind::usage, [&] { prune(model, o); });
  };
  EXPECT_NE(said({.method = "magnitud"}).find("did you mean 'magnitude'"), std::string::npos);
  EXPECT_NE(said({.pattern = "2:5"}).find("did you mean '2:4'"), std::string::npos);
  EXPECT_NE(said({.sparsity = 1}).find("sparsity < 1"), std::string::npos);
  EXPECT_NE(said({.sparsity = -0.1}).find("0 <= sparsity"), std::string::npos);
  EXPECT_NE(said({.sparsity = NAN}).find("impossible"), std::string::npos);
  EXPECT_NE(said({.sparsity = 0.7, .pattern = "2:4"}).find("expected 0.5"), std::string::npos);
  const TemporaryFolder folder;
  convert(HONE_TEST_DATA "/gguf/llama", folder.file("q8.gguf"), {.type = "q8_0"});
  for (const char* pattern : {"unstructured", "channels"})
    EXPECT_NE(error_of(ErrorKind::input, [&] { prune(open(folder.file("q8.gguf")), {.pattern = pattern}); })
                  .find("prune the model that it was made of"),
              std::string::npos);
}

}  // namespace
}  // namespace hone
