// Keys and values in eight bits: near what they are otherwise, the same bits whatever runs beside, and known
// to the forecast, to beams and to prompt caches.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "difference.hpp"
#include "kernel/cache_codes.hpp"
#include "machine/isa.hpp"
#include "run/generated_logits.hpp"
#include "temporary_folder.hpp"
#include "vector_isas.hpp"

namespace hone {
namespace {

using Bytes = std::vector<std::byte>;

std::int64_t cache_bytes(const GeneratePlan& plan) {
  for (const auto& [part, bytes] : plan.forecast().breakdown)
    if (part == "cache") return bytes;
  return 0;
}

class Int8Cache : public testing::TestWithParam<const char*> {};

// A code is off by half a step of 1/127 of its head's largest at most. Codes that are read in chunks and one
// by one are the same, so these differ by rounding only.
TEST_P(Int8Cache, IsNearTheOtherOneAndChunksAgree) {
  const Model model = golden_model(GetParam());
  const Ids ids = some_ids(40, model.vocab_size());
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const GenerateOptions plain{.context = 40, .precision = precision, .threads = 1};
    GenerateOptions coded = plain;
    coded.cache = CacheType::int8;
    const auto tokens = logits_behind(model, coded, ids, 1), chunks = logits_behind(model, coded, ids, 64);
    const double off = difference(tokens, logits_behind(model, plain, ids, 1));
    EXPECT_LT(off, 0.05) << name(precision);
    if (precision == Precision::f32) {
      EXPECT_GT(off, 0) << "it was not used";
    }
    EXPECT_LT(difference(chunks, tokens), precision == Precision::f32 ? 5e-3 : 0.05) << name(precision);
  }
}
INSTANTIATE_TEST_SUITE_P(Families, Int8Cache,
                         testing::Values("gpt2", "llama", "mistral", "gemma3_text", "qwen3", "olmo2"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Int8CacheBits, FollowFromNeitherThreadsNorVectorInstructionSets) {
  const Ids ids = some_ids(90, 512);
  for (const std::size_t at_a_time : {1, 90}) {
    const GenerateOptions one{.context = 90, .threads = 1, .isa = "avx2", .cache = CacheType::int8};
    if (!cpu_has(Isa::avx2)) GTEST_SKIP();
    const auto expected = logits_behind(golden_model(), one, ids, at_a_time);
    for (const Isa isa : vector_isas()) {
      GenerateOptions other = one;
      other.threads = 2, other.isa = name(isa);
      EXPECT_EQ(logits_behind(golden_model(), other, ids, at_a_time), expected)
          << name(isa) << " " << at_a_time;
    }
  }
}

TEST(Int8CacheBits, AreAloneWhatTheyAreTogether) {
  std::vector<Ids> prompts;
  for (const std::int64_t length : {5, 70, 1, 33, 12})
    prompts.push_back(some_ids(length, 512, prompts.size()));
  const SamplingOptions sampling{.seed = 3, .max_tokens = 20};
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    GenerateOptions options{.context = 100, .precision = precision, .threads = 2, .cache = CacheType::int8};
    Generator alone(GeneratePlan(golden_model(), options));
    options.sequences = 3;
    Generator together(GeneratePlan(golden_model(), options));
    const auto found = together.generate_all(prompts, sampling);
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      Ids tokens;
      std::vector<float> log_probabilities;
      for (const Piece& piece : alone.generate(prompts[i], sampling)) {
        tokens.push_back(piece.token);
        log_probabilities.push_back(piece.log_probability);
      }
      EXPECT_EQ(found[i].tokens, tokens);
      EXPECT_EQ(found[i].log_probabilities, log_probabilities);
    }
  }
}

// What beams find is as probable as its tokens are when they are read one by one: their blocks are shared and
// copied as codes.
TEST(Int8CacheBeams, HaveTheProbabilitiesOfTheirTokens) {
  const Ids prompt = some_ids(62, 512, 4);
  const GenerateOptions options{.context = 100, .threads = 1, .beams = 4, .cache = CacheType::int8};
  Generator beams(GeneratePlan(golden_model(), options)), one(GeneratePlan(golden_model(), options));
  one.append(prompt);
  std::size_t tokens = 0;
  for (const Piece& piece : beams.generate(prompt, {.max_tokens = 12})) {
    double sum = 0;
    for (const float x : one.logits()) sum += std::exp(static_cast<double>(x));
    const double expected =
        static_cast<double>(one.logits()[static_cast<std::size_t>(piece.token)]) - std::log(sum);
    EXPECT_NEAR(static_cast<double>(piece.log_probability), expected, 1e-4);
    one.append(std::vector{piece.token});
    ++tokens;
  }
  EXPECT_EQ(tokens, 12u);
}

TEST(Int8CacheForecast, HasItsBytes) {
  GenerateOptions o{.context = 128};
  const std::int64_t same = cache_bytes(GeneratePlan(golden_model(), o));
  o.cache = CacheType::int8;
  const GeneratePlan plan(golden_model(), o);
  EXPECT_EQ(same, 2 * 2 * 128 * 4 * (16 * 4));               // layers, keys and values, positions, heads
  EXPECT_EQ(cache_bytes(plan), 2 * 2 * 128 * 4 * (16 + 4));  // codes and a factor
  EXPECT_NE(plan.print().find("cache_append_codes"), std::string::npos);
}

TEST(Int8CachePrompt, IsKeptAndNotTakenForAnother) {
  const TemporaryFolder folder;
  const std::string file = folder.file("cache");
  const GenerateOptions plain{.context = 100, .threads = 1};
  GenerateOptions coded = plain;
  coded.cache = CacheType::int8;
  const Ids prompt = some_ids(83, 512);
  Generator first(GeneratePlan(golden_model(), coded)), second(GeneratePlan(golden_model(), coded)),
      other(GeneratePlan(golden_model(), plain));
  first.append(prompt);
  first.save_cache(file);
  EXPECT_EQ(other.load_cache(file).refused, "it is of another precision: f32 with an int8 cache, not f32");
  ASSERT_EQ(second.load_cache(file).positions, 83);
  for (const std::int32_t id : some_ids(5, 512, 2)) {
    first.append(std::vector{id});
    second.append(std::vector{id});
    EXPECT_TRUE(std::ranges::equal(first.logits(), second.logits()));
  }
  other.append(prompt);
  other.save_cache(file);
  EXPECT_EQ(first.load_cache(file).refused, "it is of another precision: f32, not f32 with an int8 cache");
}

TEST(CacheType, IsNamed) {
  for (const CacheType type : {CacheType::same, CacheType::int8})
    EXPECT_EQ(cache_type_from_name(name(type)), type);
  EXPECT_THROW(cache_type_from_name("q4_0"), Error);
}

// Zeros and the tiniest are zero, the largest is 127 steps, and what is not finite stays so.
TEST(CacheCodes, OfExtremes) {
  constexpr std::int64_t D = 3;
  const auto read = [](std::vector<float> x) {
    Bytes bytes(kernel::coded_head_bytes(D));
    kernel::code_heads({x.data(), kernel::Element::f32}, 1, D, bytes.data());
    float factor;
    std::memcpy(&factor, bytes.data(), sizeof factor);
    std::vector<float> values;
    for (std::int64_t d = 0; d < D; ++d)
      values.push_back(factor *
                       static_cast<float>(static_cast<std::int8_t>(bytes[4 + static_cast<std::size_t>(d)])));
    return values;
  };
  EXPECT_EQ(read({0, 0, 0}), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(read({127, -127, 2.5f}), (std::vector<float>{127, -127, 2}));
  EXPECT_EQ(read({3e-45f, 0, 1e-40f}), (std::vector<float>{0, 0, 0}));
  for (const float x : read({3e38f, 1, -3e38f})) EXPECT_TRUE(std::isfinite(x));
  for (const float x : read({1, HUGE_VALF, 2})) EXPECT_TRUE(std::isnan(x));
  for (const float x : read({std::nanf(""), 1, 2})) EXPECT_TRUE(std::isnan(x));
}

}  // namespace
}  // namespace hone
