// Language models with products in eight bits, weights and activations: near f32, and the same bits whatever
// runs beside.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "difference.hpp"
#include "hone/eval.hpp"
#include "hone/quantize.hpp"
#include "machine/isa.hpp"
#include "run/generated_logits.hpp"
#include "vector_isas.hpp"

namespace hone {
namespace {

class Int8Products : public testing::TestWithParam<const char*> {};

TEST_P(Int8Products, AreNearThoseInF32) {
  const Model model = golden_model(GetParam());
  const Ids ids = some_ids(40, model.vocab_size());
  GenerateOptions options{.context = 40, .threads = 1};
  const auto whole = logits_behind(model, options, ids, 1);
  options.int8 = true;
  const GeneratePlan plan(model, options);
  EXPECT_NE(plan.print().find("int8_linear"), std::string::npos);
  for (const std::size_t at_a_time : {1, 64}) {
    const double off = difference(logits_behind(model, options, ids, at_a_time), whole);
    EXPECT_LT(off, 0.1) << at_a_time;
    EXPECT_GT(off, 1e-5) << "they are those in f32";
  }
}
INSTANTIATE_TEST_SUITE_P(Families, Int8Products,
                         testing::Values("gpt2", "llama_tied", "mistral", "gemma3_text", "qwen3", "olmo2"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Int8Bits, FollowFromNeitherThreadsNorVectorInstructionSets) {
  if (!cpu_has(Isa::avx2)) GTEST_SKIP();
  const Ids ids = some_ids(90, 512);
  for (const std::size_t at_a_time : {1, 90}) {
    GenerateOptions one{.context = 90, .threads = 1, .isa = "avx2", .int8 = true, .cache = CacheType::int8};
    const auto expected = logits_behind(golden_model(), one, ids, at_a_time);
    for (const Isa isa : vector_isas()) {
      one.threads = 2, one.isa = name(isa);
      EXPECT_EQ(logits_behind(golden_model(), one, ids, at_a_time), expected)
          << name(isa) << " " << at_a_time;
    }
  }
}

TEST(Int8Bits, AreAloneWhatTheyAreTogether) {
  std::vector<Ids> prompts;
  for (const std::int64_t length : {5, 70, 1, 33}) prompts.push_back(some_ids(length, 512, prompts.size()));
  GenerateOptions options{.context = 100, .threads = 2, .int8 = true};
  Generator alone(GeneratePlan(golden_model(), options));
  options.sequences = 3;
  Generator together(GeneratePlan(golden_model(), options));
  const SamplingOptions greedy{.temperature = 0, .max_tokens = 12};
  const auto found = together.generate_all(prompts, greedy);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::vector<float> log_probabilities;
    for (const Piece& piece : alone.generate(prompts[i], greedy))
      log_probabilities.push_back(piece.log_probability);
    EXPECT_EQ(found[i].log_probabilities, log_probabilities);
  }
}

// Evaluation computes as generation does: the head by chunks of the loss too, and weights that are codes
// already with their own scales.
TEST(Int8Evaluation, IsNearAndTheSameForAnyThreads) {
  std::string letters;
  for (int i = 0; i < 3000; ++i) letters += static_cast<char>('a' + i * i % 23);
  const Text text = Text::of(letters);
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  const Model codes = quantize(model, nullptr, {.bits = 8}).model;
  for (const Model& m : {model, codes}) {
    const double whole = evaluate(m, text, {.seq = 64}).loss;
    const double coded = evaluate(m, text, {.seq = 64, .threads = 1, .int8 = true}).loss;
    EXPECT_NE(coded, whole);
    EXPECT_NEAR(coded, whole, 0.01 * whole);
    EXPECT_EQ(evaluate(m, text, {.seq = 64, .threads = 2, .int8 = true}).loss, coded);
  }
}

}  // namespace
}  // namespace hone
