// Weights after some steps: the same for any number of threads and any split of the batch.
#include <gtest/gtest.h>

#include "machine/isa.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

constexpr std::int64_t batch_size = 16;

struct Setting {
  const char* name;
  TinyGpt2 model;
  std::int64_t seq;
  int steps;
  bool brief = false;  // a model too large to try every way
};

std::string hash_after(const Model& model, const Setting& s, Precision precision, int threads,
                       std::int64_t micro_batch, Isa isa = best_isa()) {
  const TrainPlan plan(model, {.batch = batch_size,
                               .micro_batch = micro_batch,
                               .seq = s.seq,
                               .precision = precision,
                               .threads = threads,
                               .seed = 5,
                               .isa = std::string(name(isa))});
  Trainer trainer(plan);
  for (int n = 0; n < s.steps; ++n)
    trainer.step(toy_batch(n, batch_size, s.seq, s.model.vocab_size), {.lr = 3e-3f, .clip = 1});
  return trainer.weights_hash();
}

class SameBits : public testing::TestWithParam<Setting> {};

TEST_P(SameBits, ForAnyThreadsAndSplitOfTheBatch) {
  const Setting& s = GetParam();
  const Model model = s.model.model();
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const std::string expected = hash_after(model, s, precision, 1, batch_size);
    EXPECT_NE(expected, model.weights_hash());
    for (const int threads : s.brief ? std::vector{3} : std::vector{2, 3, 4})
      EXPECT_EQ(hash_after(model, s, precision, threads, batch_size), expected)
          << name(precision) << " " << threads << " threads";
    for (const int micro : s.brief ? std::vector{5} : std::vector{1, 2, 4, 8, 5})
      EXPECT_EQ(hash_after(model, s, precision, micro == 5 ? 2 : 1, micro), expected)
          << name(precision) << " by " << micro << " sequences";
  }
}

// A run begun on a server goes on, bit for bit, on a laptop: in f32 all vector builds give the same weights,
// in fp16 too, in bf16 those that widen it.
TEST_P(SameBits, OnAllVectorInstructionSets) {
  if (!cpu_has(Isa::avx512)) GTEST_SKIP() << "this CPU has no AVX-512 to compare AVX2 with";
  const Setting& s = GetParam();
  const Model model = s.model.model();
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const std::string expected = hash_after(model, s, precision, 2, 4, Isa::avx2);
    for (const Isa isa : {Isa::avx512, Isa::avx512_bf16}) {
      if (!cpu_has(isa) || (precision == Precision::bf16 && has_bf16_products(isa))) continue;
      EXPECT_EQ(hash_after(model, s, precision, 2, 4, isa), expected) << name(precision) << " " << name(isa);
    }
  }
}

// Logits of 16 sequences over 8500 tokens exceed what chunk_loss leaves whole, those of fewer do not; 300
// positions are two pieces of a sum; 51 = 3 heads of 17.
INSTANTIATE_TEST_SUITE_P(
    Models, SameBits,
    testing::Values(
        Setting{"small", {}, 20, 20},
        Setting{"large_vocabulary", {.layers = 1, .heads = 2, .width = 32, .vocab_size = 8500}, 32, 3},
        Setting{"long_sequences", {.layers = 1, .heads = 2, .width = 24, .context = 300}, 300, 3},
        Setting{"gpt2_width", {.layers = 1, .heads = 12, .width = 768, .vocab_size = 97}, 8, 1, true}),
    [](const auto& each) { return std::string(each.param.name); });

INSTANTIATE_TEST_SUITE_P(LongModels, SameBits,
                         testing::Values(Setting{
                             "gpt2_width", {.heads = 12, .width = 768, .vocab_size = 97}, 8, 4, true}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hone
