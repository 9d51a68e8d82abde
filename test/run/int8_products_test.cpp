// Language models with products in eight bits, weights and activations: near f32, and the same bits whatever
// runs beside.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/quantize.hpp"
#include "machine/isa.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

Model golden(const std::string& family = "gpt2") { return open(HONE_TEST_DATA "/models/" + family); }

Ids some_ids(std::int64_t count, std::int64_t vocab_size, std::uint64_t seed = 0) {
  Stream stream(stream_key("int8 products", seed));
  Ids ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(vocab_size)));
  return ids;
}

std::vector<float> logits_behind(const Model& model, const GenerateOptions& options, const Ids& ids,
                                 std::size_t at_a_time) {
  Generator generator(GeneratePlan(model, options));
  for (std::span<const std::int32_t> rest(ids); !rest.empty();) {
    const std::size_t count = std::min(at_a_time, rest.size());
    generator.append(rest.first(count));
    rest = rest.subspan(count);
  }
  return {generator.logits().begin(), generator.logits().end()};
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return most / largest;
}

class Int8Products : public testing::TestWithParam<const char*> {};

TEST_P(Int8Products, AreNearThoseInF32) {
  const Model model = golden(GetParam());
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
                         testing::Values("gpt2", "llama_tied", "mistral", "gemma3_text", "qwen3"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Int8Bits, FollowFromNeitherThreadsNorVectorInstructionSets) {
  if (!cpu_has(Isa::avx2)) GTEST_SKIP();
  const Ids ids = some_ids(90, 512);
  for (const std::size_t at_a_time : {1, 90}) {
    GenerateOptions one{.context = 90, .threads = 1, .isa = "avx2", .int8 = true, .cache = CacheType::int8};
    const auto expected = logits_behind(golden(), one, ids, at_a_time);
    for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_bf16}) {
      if (!cpu_has(isa)) continue;
      one.threads = 2, one.isa = name(isa);
      EXPECT_EQ(logits_behind(golden(), one, ids, at_a_time), expected) << name(isa) << " " << at_a_time;
    }
  }
}

TEST(Int8Bits, AreAloneWhatTheyAreTogether) {
  std::vector<Ids> prompts;
  for (const std::int64_t length : {5, 70, 1, 33}) prompts.push_back(some_ids(length, 512, prompts.size()));
  GenerateOptions options{.context = 100, .threads = 2, .int8 = true};
  Generator alone(GeneratePlan(golden(), options));
  options.sequences = 3;
  Generator together(GeneratePlan(golden(), options));
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
