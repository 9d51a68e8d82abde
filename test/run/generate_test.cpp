#include "hone/generate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>
#include <stop_token>
#include <thread>

#include "../temporary_folder.hpp"
#include "base/random.hpp"
#include "base/utf8.hpp"
#include "hone/train.hpp"
#include "machine/isa.hpp"
#include "model/model_impl.hpp"
#include "run/logits.hpp"
#include "vector_isas.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

const Model& golden() {
  static const Model model = open(HONE_TEST_DATA "/models/gpt2");
  return model;
}

Ids some_ids(std::int64_t count, std::int64_t vocab_size) {
  Stream stream(stream_key("ids", static_cast<std::uint64_t>(count)));
  Ids ids;
  while (static_cast<std::int64_t>(ids.size()) < count)
    ids.push_back(static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(vocab_size))));
  return ids;
}

// Largest difference between a generator's logits and those of the forward pass that training has, as a share
// of the largest logit. The generator is given so many ids at a time.
double difference(const Model& model, const GenerateOptions& options, const Ids& ids,
                  std::size_t at_a_time = SIZE_MAX) {
  Generator generator(GeneratePlan(model, options));
  for (std::span<const std::int32_t> rest(ids); !rest.empty();) {
    const std::size_t count = std::min(at_a_time, rest.size());
    generator.append(rest.first(count));
    rest = rest.subspan(count);
  }
  const auto found = generator.logits();
  const auto seq = static_cast<std::int64_t>(ids.size());
  const auto all = logits_of(model, {1, seq, ids, Ids(ids.size(), -100)}, 1,
                             isa_from_name(generator.plan().options().isa));
  const auto expected = std::span(all).last(found.size());
  double most = 0, largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(found[i] - expected[i])));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return most / largest;
}

Ids tokens_of(Generation generation) {
  Ids ids;
  for (const Piece& piece : generation) ids.push_back(piece.token);
  return ids;
}

// Grouped-query heads, a parallel block, its head tied or not.
Architecture parallel(bool tied) {
  return [tied](Builder& b, Tensor tokens) {
    const auto wte = b.parameter("wte", {96, 64}, {.init = normal(0.3f)});
    auto x = embedding(tokens, wte) +
             embedding(b.positions(), b.parameter("wpe", {90, 64}, {.init = normal(0.1f)}));
    for (int i = 0; i < 2; ++i) {
      const auto layer = b.scope("h", i);
      const LinearOptions wide{.init = normal(0.15f)};
      const auto n = layer_norm(x, "norm");
      const auto q = linear(n, "q", 64, wide), k = linear(n, "k", 16, wide), v = linear(n, "v", 16, wide);
      const auto a = attention(q, k, v, {.heads = 8, .kv_heads = 2});
      x = x + linear(a, "proj", 64, wide) + linear(gelu(linear(n, "up", 96, wide)), "down", 64, wide);
    }
    x = layer_norm(x, "norm_f");
    return tied ? linear(x, wte) : linear(x, "head", 96, {.init = normal(0.15f)});
  };
}

// As Llama is: norms about zero, rotated queries and keys in groups; its feed-forward without a gate.
Tensor rotary(Builder& b, Tensor tokens) {
  auto x = embedding(tokens, b.parameter("wte", {96, 64}, {.init = normal(0.3f)}));
  const LinearOptions plain{.bias = false, .init = normal(0.15f)};
  for (int i = 0; i < 2; ++i) {
    const auto layer = b.scope("layers", i);
    const auto qkv = split(linear(rms_norm(x, "norm"), "qkv", 96, plain), {64, 16, 16});
    const auto q = rotate(qkv[0], {.heads = 8}), k = rotate(qkv[1], {.heads = 2});
    x = x + linear(attention(q, k, qkv[2], {.heads = 8, .kv_heads = 2}), "proj", 64, plain);
    x = x + linear(silu(linear(rms_norm(x, "norm_2"), "up", 96, plain)), "down", 64, plain);
  }
  return linear(rms_norm(x, "norm_f"), "head", 96, plain);
}

// After some steps, so that the norms' weights are no ones.
const Model& trained_rotary() {
  static const Model model = [] {
    Trainer trainer(
        TrainPlan(Model(rotary, {.vocab_size = 96, .context = 200}), {.batch = 4, .seq = 32, .threads = 2}));
    const Ids ids = some_ids(4 * 32, 96);
    Ids labels(ids.begin() + 1, ids.end());
    labels.push_back(ids[0]);
    const double first = trainer.step(BatchView{4, 32, ids, labels}, {.lr = 1e-2f}).loss;
    double last = first;
    while (trainer.steps() < 12) last = trainer.step(BatchView{4, 32, ids, labels}, {.lr = 1e-2f}).loss;
    EXPECT_LT(last, first - 1);
    return trainer.model();
  }();
  return model;
}

class ByIsa : public testing::TestWithParam<Isa> {};

TEST_P(ByIsa, ChunkedDecodingAgreesWithTheForwardPass) {
  if (!cpu_has(GetParam())) GTEST_SKIP();
  for (const std::int64_t length : {1, 7, 8, 65, 100, 128})
    EXPECT_LT(
        difference(golden(), {.threads = 2, .isa = std::string(name(GetParam()))}, some_ids(length, 512)),
        1e-5)
        << length;
  for (const bool tied : {true, false})
    for (const std::int64_t length : {1, 9, 90}) {
      const Model model(parallel(tied), {.vocab_size = 96, .context = 90});
      EXPECT_LT(difference(model, {.isa = std::string(name(GetParam()))}, some_ids(length, 96)), 1e-5)
          << tied << length;
    }
}

// Positions go on behind the cache: whole chunks, and tokens one at a time.
TEST_P(ByIsa, RotationsGoOnBehindTheCache) {
  if (!cpu_has(GetParam())) GTEST_SKIP();
  const GenerateOptions options{.threads = 2, .isa = std::string(name(GetParam()))};
  for (const std::int64_t length : {1, 9, 71, 199}) {
    const Ids ids = some_ids(length, 96);
    EXPECT_LT(difference(trained_rotary(), options, ids), 1e-5) << length;
    EXPECT_LT(difference(trained_rotary(), options, ids, 1), 1e-5) << length << " one by one";
  }
}

// Of 8 and of 11 significant bits.
TEST_P(ByIsa, Bf16AndFp16StayNear) {
  if (!cpu_has(GetParam())) GTEST_SKIP();
  for (const auto& [precision, near] : {std::pair{Precision::bf16, 0.03}, {Precision::fp16, 0.03 / 8}}) {
    const GenerateOptions options{.precision = precision, .threads = 2, .isa = std::string(name(GetParam()))};
    for (const std::int64_t length : {1, 8, 100})
      EXPECT_LT(difference(golden(), options, some_ids(length, 512)), near);
    const Model model(parallel(true), {.vocab_size = 96, .context = 90});
    EXPECT_LT(difference(model, options, some_ids(80, 96)), near);
    EXPECT_LT(difference(trained_rotary(), options, some_ids(80, 96)), near);
  }
}

TEST(Generator, RefusesAWeightThatF16CannotHold) {
  Model model = preset("tiny", {.vocab_size = 256});
  Trainer trainer(TrainPlan(model, {.batch = 1, .seq = 8, .threads = 1}));
  const std::string weight = "transformer.h.0.mlp.c_fc.weight";
  std::vector<float> values(static_cast<std::size_t>(model.size(weight)), 0.5f);
  values[3] = 65520;
  trainer.write(weight, values);
  const Model large = trainer.model();
  Generator(GeneratePlan(large, {.precision = Precision::bf16}));
  const std::string message =
      error_of(ErrorKind::input, [&] { Generator(GeneratePlan(large, {.precision = Precision::fp16})); });
  EXPECT_NE(message.find(weight), std::string::npos) << message;
  EXPECT_NE(message.find("65504"), std::string::npos) << message;
}

TEST(Generator, SaysTheSameOnAllVectorInstructionSets) {
  if (vector_isas().size() < 2) GTEST_SKIP() << "this CPU has nothing to compare AVX2 with";
  const auto said = [](Isa isa, std::int64_t prompt) {
    Generator g(GeneratePlan(golden(), {.threads = 2, .isa = std::string(name(isa))}));
    return tokens_of(g.generate(some_ids(prompt, 512), {.seed = 3, .max_tokens = 40}));
  };
  for (const std::int64_t prompt : {1, 3, 70}) {
    const auto expected = said(Isa::avx2, prompt);
    for (const Isa isa : vector_isas()) EXPECT_EQ(said(isa, prompt), expected) << name(isa) << " " << prompt;
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, ByIsa, testing::ValuesIn(all_isas),
                         [](const auto& each) { return std::string(name(each.param)); });

TEST(Generator, WeightsAreHeldOnceForAModel) {
  const std::vector<Model> copies(2, open(HONE_TEST_DATA "/models/gpt2"));
  const ParameterSpec& spec = copies[0].impl().spec("transformer.wte.weight");
  std::weak_ptr<const HeldWeight> wide, low;
  {
    Generator one(GeneratePlan(copies[0], {.precision = Precision::bf16})),
        two(GeneratePlan(copies[1], {.precision = Precision::bf16}));
    const auto refuse = [](const HeldWeight&) { FAIL() << "made a second time"; };
    wide = copies[0].impl().store.hold(spec);
    low = copies[1].impl().store.hold(spec.name, "cast{dtype=bf16}.0 bf16[512,64]", 0, refuse);
    EXPECT_EQ(wide.use_count(), 2);  // both generators, and nobody has another
    EXPECT_EQ(low.use_count(), 2);
    EXPECT_EQ(tokens_of(one.generate(Ids{1, 2}, {.seed = 1, .max_tokens = 9})),
              tokens_of(two.generate(Ids{1, 2}, {.seed = 1, .max_tokens = 9})));
  }
  EXPECT_TRUE(wide.expired() && low.expired());
}

TEST(Generator, TwoAttentionsInOneScopeHaveTheirOwnCaches) {
  const Model model(
      [](Builder& b, Tensor tokens) {
        const auto wte = b.parameter("wte", {32, 16}, {.init = normal(0.5f)});
        const auto x = layer_norm(embedding(tokens, wte), "norm");
        const auto one = attention(linear(x, "q", 16), linear(x, "k", 16), linear(x, "v", 16), {.heads = 2});
        const auto two =
            attention(linear(x, "q2", 16), linear(x, "k2", 16), linear(x, "v2", 16), {.heads = 4});
        return linear(x + one + two, wte);
      },
      {.vocab_size = 32, .context = 40});
  EXPECT_LT(difference(model, {}, some_ids(21, 32)), 1e-5);
}

// What attention reads need not come from a product, so that a bf16 program finds f32 there.
Tensor plain_attention(Builder& b, Tensor tokens) {
  auto x = embedding(tokens, b.parameter("wte", {40, 32}));
  const auto parts = split(embedding(tokens, b.parameter("other", {40, 96})), {32, 32, 32});
  x = x + attention(linear(x, "q", 32), x, gelu(x), {.heads = 1}) + attention(x, x, x, {.heads = 2});
  return linear(x + attention(parts[0], parts[1], parts[2], {.heads = 4}), "head", 48);
}

TEST(Generator, KeysThatNoProductMadeAreCachedInTheProgramsType) {
  const Model model(plain_attention, {.vocab_size = 40, .context = 32});
  EXPECT_LT(difference(model, {.precision = Precision::f32, .threads = 1}, some_ids(20, 40)), 1e-5);
  EXPECT_LT(difference(model, {.precision = Precision::bf16, .threads = 1}, some_ids(20, 40)), 2e-2);
}

TEST(Generator, DrawsNoIdBeyondTheVocabulary) {  // the head above has 48 rows, its table 40
  Generator generator(
      GeneratePlan(Model(plain_attention, {.vocab_size = 40, .context = 32}), {.threads = 1}));
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (const std::int32_t id : tokens_of(generator.generate(
             some_ids(1, 40), {.temperature = 50, .top_k = 0, .top_p = 1, .seed = seed, .max_tokens = 30})))
      ASSERT_LT(id, 40);
}

// NOLINTBEGIN(bugprone-use-after-move): what a move leaves behind is what is tried here.
TEST(Generator, MovedFromItSaysSoAndAGenerationKeepsIt) {
  const GeneratePlan plan(Model(plain_attention, {.vocab_size = 40, .context = 32}), {.threads = 1});
  Generator a(plan);
  const Ids all = tokens_of(a.generate(some_ids(1, 40), {.max_tokens = 9}));
  EXPECT_EQ(tokens_of(Generator(plan).generate(some_ids(1, 40), {.max_tokens = 9})), all);
  Generation first = a.generate(some_ids(1, 40), {.max_tokens = 9});
  a = Generator(plan);
  Generation second = std::move(first);
  error_of(ErrorKind::usage, [&] { first.begin(); });
  EXPECT_EQ(tokens_of(std::move(second)), all);
  const Generator b = std::move(a);
  error_of(ErrorKind::usage, [&] { a.positions(); });
  error_of(ErrorKind::usage, [&] { a.plan(); });
}
// NOLINTEND(bugprone-use-after-move)

TEST(Generator, ASecondThreadIsToldSo) {
  Generator generator(GeneratePlan(golden(), {.threads = 1}));
  const Ids prompt = some_ids(100, 512);
  std::atomic<bool> told{false};
  const auto work = [&] {  // until one of the two was told
    for (int i = 0; i < 20000 && !told; ++i) {
      try {
        generator.reset();
        generator.append(prompt);
      } catch (const Error& e) {
        if (e.kind() == ErrorKind::usage) told = true;
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_TRUE(told);
  generator.reset();
  generator.append(prompt);
}

TEST(GeneratePlan, ForecastsItsArenaAndSaysHowItIsSpent) {
  const GeneratePlan plan(golden(), {.precision = Precision::bf16});
  const Forecast& f = plan.forecast();
  std::int64_t sum = 0;
  for (const auto& [part, bytes] : f.breakdown) sum += bytes;
  EXPECT_EQ(sum, f.peak_bytes);
  EXPECT_EQ(f.peak_bytes, f.arena_bytes + f.outside_bytes);
  EXPECT_GT(f.step_ms, 0);
  const auto cache = std::find_if(f.breakdown.begin(), f.breakdown.end(),
                                  [](const auto& part) { return part.first == "cache"; });
  ASSERT_NE(cache, f.breakdown.end());
  EXPECT_EQ(cache->second, 2 * 2 * 128 * 64 * 2);  // layers, keys and values, positions, width, bytes
}

TEST(GeneratePlan, TheHeadSeesOnlyTheLastRow) {
  const std::string print = GeneratePlan(golden()).print();
  EXPECT_NE(print.find("f32[1,1,512]"), std::string::npos);
  EXPECT_EQ(print.find("[1,64,512]"), std::string::npos);
}

TEST(GeneratePlan, RefusesWhatItCannotDo) {
  EXPECT_NE(error_of(ErrorKind::usage, [] { GeneratePlan(golden(), {.context = 129}); }).find("128"),
            std::string::npos);
  error_of(ErrorKind::usage, [] { GeneratePlan(golden(), {.threads = -1}); });
  error_of(ErrorKind::usage, [] { GeneratePlan(golden(), {.isa = "sse"}); });
}

TEST(Generator, TextDependsNeitherOnThreadsNorOnSplits) {
  const Ids prompt = some_ids(77, 512);
  const SamplingOptions greedy{.temperature = 0, .max_tokens = 30}, sampled{.seed = 3, .max_tokens = 30};
  Generator one(GeneratePlan(golden(), {.threads = 1})), three(GeneratePlan(golden(), {.threads = 3}));
  const Ids text = tokens_of(one.generate(prompt, greedy));
  EXPECT_EQ(text.size(), 30u);
  EXPECT_EQ(text, tokens_of(three.generate(prompt, greedy)));
  EXPECT_EQ(tokens_of(one.generate(prompt, sampled)), tokens_of(three.generate(prompt, sampled)));

  // The same text by the lower verbs, the prompt in odd parts.
  three.reset();
  for (std::size_t at = 0, part = 1; at < prompt.size(); at += part, part = part * 2 + 1) {
    const auto count = std::min(part, prompt.size() - at);
    three.append(std::span(prompt).subspan(at, count));
  }
  Ids again;
  while (again.size() < text.size()) {
    const auto logits = three.logits();
    again.push_back(
        static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    three.append({&again.back(), 1});
  }
  EXPECT_EQ(again, text);
}

TEST(Generator, SeedsReproduceAndTopOneIsGreedy) {
  Generator generator(GeneratePlan(golden(), {.threads = 1}));
  const Ids prompt = some_ids(5, 512);
  const auto run = [&](const SamplingOptions& o) { return tokens_of(generator.generate(prompt, o)); };
  const SamplingOptions loose{.temperature = 2, .top_k = 0, .top_p = 1, .seed = 1, .max_tokens = 20};
  auto other = loose;
  other.seed = 2;
  EXPECT_EQ(run(loose), run(loose));
  EXPECT_NE(run(loose), run(other));
  EXPECT_EQ(run({.temperature = 2, .top_k = 1, .max_tokens = 20}), run({.temperature = 0, .max_tokens = 20}));
}

TEST(Generator, LogProbabilitiesAreThoseOfTheLogits) {
  Generator generator(GeneratePlan(golden(), {.threads = 1}));
  for (const Piece& piece : generator.generate(some_ids(3, 512), {.temperature = 0, .max_tokens = 3})) {
    double sum = 0;
    const auto logits = generator.logits();
    for (const float x : logits) sum += std::exp(static_cast<double>(x));
    const double expected =
        static_cast<double>(logits[static_cast<std::size_t>(piece.token)]) - std::log(sum);
    EXPECT_NEAR(static_cast<double>(piece.log_probability), expected, 1e-5);
  }
}

TEST(Generator, PiecesAreTheTokenizersTextInWholeCharacters) {
  const Tokenizer tokenizer = Tokenizer::bytes();
  Generator generator(GeneratePlan(golden(), {.threads = 1}));
  Ids ids;
  std::string text;
  std::set<std::size_t> ends;
  for (const Piece& piece :
       generator.generate(tokenizer.encode("A\xC3\xA9"),
                          {.temperature = 3, .top_k = 0, .top_p = 1, .max_tokens = -1}, &tokenizer)) {
    EXPECT_LT(piece.token, 256) << "an id that the tokenizer lacks";
    ids.push_back(piece.token);
    text += piece.text;
    ends.insert(text.size());
  }
  EXPECT_EQ(text, tokenizer.decode(ids));
  for (std::size_t at = 0; at < text.size();) {  // no piece ends within a character
    const std::size_t next = at + std::max<std::size_t>(1, code_point_at(text, at).bytes);
    for (std::size_t inside = at + 1; inside < next; ++inside) EXPECT_FALSE(ends.contains(inside)) << inside;
    at = next;
  }
  EXPECT_EQ(ids.size(), 126u);  // 128 positions, 3 of the prompt, and what follows the last
}

TEST(Generator, StopsAtATokenAndByRequestAndAtItsLength) {
  Generator generator(GeneratePlan(golden(), {.threads = 1}));
  const Ids prompt = some_ids(20, 512);
  const Ids text = tokens_of(generator.generate(prompt, {.seed = 9, .max_tokens = 12}));
  EXPECT_EQ(generator.finish(), Finish::length);
  ASSERT_EQ(text.size(), 12u);

  const auto end = std::find(text.begin(), text.end(), text[6]) + 1;  // the first time that it comes
  EXPECT_EQ(tokens_of(generator.generate(prompt, {.seed = 9, .max_tokens = 12, .stop_tokens = {text[6]}})),
            Ids(text.begin(), end));
  EXPECT_EQ(generator.finish(), Finish::stop_token);

  std::stop_source source;
  Ids some;
  for (const Piece& piece :
       generator.generate(prompt, {.seed = 9, .max_tokens = 12, .stop = source.get_token()})) {
    some.push_back(piece.token);
    if (some.size() == 4) source.request_stop();
  }
  EXPECT_EQ(some, Ids(text.begin(), text.begin() + 4));
  EXPECT_EQ(generator.finish(), Finish::stopped);
  EXPECT_EQ(tokens_of(generator.generate(prompt, {.stop = source.get_token()})), Ids());

  for ([[maybe_unused]] const Piece& piece : generator.generate(prompt, {.seed = 9})) break;
  EXPECT_EQ(tokens_of(generator.generate(prompt, {.seed = 9, .max_tokens = 12})), text);  // usable as before
  EXPECT_EQ(tokens_of(generator.generate(prompt, {.max_tokens = 0})), Ids());
}

TEST(Generator, StopsAtTheEndOfText) {
  const Tokenizer tokenizer =
      Tokenizer::train_bpe("to be or not to be, that is the question", {.vocab_size = 270});
  const std::int32_t end = tokenizer.end_of_text().value();
  ASSERT_EQ(end, 0);
  const Architecture all_equal = [](Builder& b, Tensor tokens) {  // so greedy decoding takes the first id
    return linear(embedding(tokens, b.parameter("wte", {270, 8}, {.init = zeros()})), "head", 270,
                  {.init = zeros()});
  };
  Generator generator(GeneratePlan(Model(all_equal, {.vocab_size = 270, .context = 32})));
  Ids ids;
  std::string text;
  for (const Piece& piece :
       generator.generate({}, {.temperature = 0}, &tokenizer)) {  // begins with the end of text
    ids.push_back(piece.token);
    text += piece.text;
  }
  EXPECT_EQ(ids, Ids{end});
  EXPECT_EQ(text, "");
  EXPECT_EQ(generator.finish(), Finish::stop_token);
  EXPECT_EQ(tokens_of(generator.generate(
                          {}, {.temperature = 0, .max_tokens = 5, .stop_at_end_of_text = false}, &tokenizer))
                .size(),
            5u);
}

TEST(Generator, EndsWithTheContext) {
  Generator generator(GeneratePlan(golden(), {.context = 50, .threads = 1}));
  EXPECT_EQ(tokens_of(generator.generate(some_ids(40, 512), {.max_tokens = -1})).size(), 11u);
  EXPECT_EQ(generator.finish(), Finish::context);
  EXPECT_EQ(tokens_of(generator.generate(some_ids(50, 512), {.max_tokens = -1})).size(), 1u);
  const std::string message = error_of(ErrorKind::input, [&] { generator.generate(some_ids(51, 512)); });
  EXPECT_NE(message.find("50"), std::string::npos);
  EXPECT_NE(message.find("51"), std::string::npos);
  generator.reset();
  generator.append(some_ids(50, 512));
  error_of(ErrorKind::input, [&] { generator.append(some_ids(1, 512)); });
  EXPECT_EQ(generator.positions(), 50);
}

TEST(Generator, RefusesBadPromptsAndBadUse) {
  Generator generator(GeneratePlan(golden(), {.threads = 1}));
  EXPECT_EQ(error_of(ErrorKind::usage, [&] { generator.generate({}); }).find("prompt: "), 0u);
  EXPECT_NE(error_of(ErrorKind::input,
                     [&] {
                       generator.generate(Ids{1, 512});
                     })
                .find("512"),
            std::string::npos);
  error_of(ErrorKind::usage, [&] { generator.generate(Ids{1}, {.top_p = 2}); });
  Generator fresh(GeneratePlan(golden(), {.threads = 1}));
  error_of(ErrorKind::usage, [&] { fresh.logits(); });

  Generation first = generator.generate(Ids{1, 2});
  auto at = first.begin();
  generator.append(Ids{3});
  error_of(ErrorKind::usage, [&] { ++at; });
}

TEST(Generator, BreaksOnLogitsThatAreNotFinite) {
  const Model model(
      [](Builder& b, Tensor tokens) {
        return linear(embedding(tokens, b.parameter("wte", {8, 8}, {.init = normal(1e30f)})), "head", 8,
                      {.init = normal(1e30f)});
      },
      {.vocab_size = 8, .context = 8});
  Generator generator{GeneratePlan(model)};
  EXPECT_NE(error_of(ErrorKind::input, [&] { tokens_of(generator.generate(Ids{1})); }).find("head"),
            std::string::npos);
}

}  // namespace
}  // namespace hone
