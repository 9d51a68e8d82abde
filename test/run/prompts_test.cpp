// Several prompts in one step, prompts that were read before, prompts out of files; what shapes and ends
// answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.hpp"
#include "hone/generate.hpp"
#include "hone/lora.hpp"
#include "machine/isa.hpp"
#include "run/answer_text.hpp"
#include "run/sampler.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

const Model& golden() {
  static const Model model = open(HONE_TEST_DATA "/models/gpt2");
  return model;
}

Ids some_ids(std::int64_t count, std::uint64_t seed = 0) {
  Stream stream(stream_key("ids", seed));
  Ids ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(stream.below(512));
  return ids;
}

Answer answer_of(Generator& generator, const Ids& prompt, const SamplingOptions& sampling,
                 const Tokenizer* tokenizer = nullptr) {
  Answer answer;
  for (const Piece& piece : generator.generate(prompt, sampling, tokenizer)) {
    answer.tokens.push_back(piece.token);
    answer.log_probabilities.push_back(piece.log_probability);
    answer.text += piece.text;
  }
  answer.finish = generator.finish();
  return answer;
}

void expect_same(const Answer& a, const Answer& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.log_probabilities, b.log_probabilities);  // the very bits
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.finish, b.finish);
}

void expect_alone_and_together(Precision precision, const std::string& isa, const SamplingOptions& sampling) {
  std::vector<Ids> prompts;
  for (const std::int64_t length : {5, 70, 1, 33, 12, 64, 2})
    prompts.push_back(some_ids(length, prompts.size()));
  Generator alone(GeneratePlan(golden(), {.context = 100, .precision = precision, .threads = 1, .isa = isa}));
  std::vector<Answer> expected;
  for (const Ids& prompt : prompts) expected.push_back(answer_of(alone, prompt, sampling));
  for (const std::int64_t sequences : {1, 3, 8}) {
    Generator together(GeneratePlan(
        golden(),
        {.context = 100, .precision = precision, .threads = 2, .isa = isa, .sequences = sequences}));
    for (int again = 0; again < 2; ++again) {
      std::vector<std::size_t> heard;
      const auto found = together.generate_all(prompts, sampling, nullptr,
                                               [&](std::size_t i, const Answer&) { heard.push_back(i); });
      ASSERT_EQ(found.size(), prompts.size());
      for (std::size_t i = 0; i < prompts.size(); ++i) expect_same(found[i], expected[i]);
      std::sort(heard.begin(), heard.end());
      std::vector<std::size_t> each(prompts.size());
      std::iota(each.begin(), each.end(), 0);
      EXPECT_EQ(heard, each);
    }
    expect_same(answer_of(together, prompts[1], sampling), expected[1]);  // and alone again
  }
}

TEST(Prompts, HaveTheBitsTogetherThatTheyHaveAlone) {
  expect_alone_and_together(Precision::f32, "", {.temperature = 0, .max_tokens = 20});
  expect_alone_and_together(Precision::bf16, "", {.seed = 3, .max_tokens = -1});
  expect_alone_and_together(
      Precision::f32, "avx2",
      {.repetition_penalty = 1.3f, .seed = 5, .max_tokens = 9, .stop_tokens = {7, 8, 9}});
}

TEST(Prompts, AreRefusedBeforeAnyIsRead) {
  Generator generator(GeneratePlan(golden(), {.context = 40, .threads = 1, .sequences = 2}));
  const std::vector<Ids> prompts{some_ids(3), some_ids(41)};
  error_of(ErrorKind::input, [&] { generator.generate_all(prompts); });
  error_of(ErrorKind::usage, [&] { generator.generate_all(std::vector<Ids>{{}}); });
  error_of(ErrorKind::usage, [&] { GeneratePlan(golden(), {.beams = 2, .sequences = 2}); });
  EXPECT_TRUE(generator.generate_all({}).empty());
}

TEST(Prompts, StopByRequestWithWhatTheyHave) {
  Generator generator(GeneratePlan(golden(), {.context = 90, .threads = 1, .sequences = 2}));
  std::stop_source stop;
  const std::vector<Ids> prompts{some_ids(3), some_ids(4), some_ids(5)};
  const auto all = generator.generate_all(prompts, {.max_tokens = 4, .stop = stop.get_token()}, nullptr,
                                          [&](std::size_t, const Answer&) { stop.request_stop(); });
  EXPECT_EQ(all[0].finish, Finish::length);
  EXPECT_EQ(all[2].finish, Finish::stopped);
  EXPECT_TRUE(all[2].tokens.empty());
}

TEST(Prompts, ThatBeginAsTheLastOneAreReadFromThere) {
  Generator generator(GeneratePlan(golden(), {.context = 120, .threads = 1}));
  const SamplingOptions greedy{.temperature = 0, .max_tokens = 6, .reuse_cache = true};
  Ids chat = some_ids(30);
  for (int turn = 0; turn < 3; ++turn) {
    Generator fresh(GeneratePlan(golden(), {.context = 120, .threads = 1}));
    const Answer found = answer_of(generator, chat, greedy);
    EXPECT_EQ(found.tokens, answer_of(fresh, chat, {.temperature = 0, .max_tokens = 6}).tokens);
    chat.insert(chat.end(), found.tokens.begin(), found.tokens.end());
    for (const std::int32_t id : some_ids(5, static_cast<std::uint64_t>(turn))) chat.push_back(id);
    EXPECT_EQ(generator.read_prompt(chat), 30 + turn * 11 + 5);  // the last token drawn was never read
  }
  EXPECT_EQ(generator.read_prompt(chat), std::ssize(chat));
  Ids other = chat;
  other[10] = (other[10] + 1) % 512;
  EXPECT_EQ(generator.read_prompt(other), 10);
  EXPECT_EQ(generator.read_prompt(Ids(other.begin(), other.begin() + 8)), 7);  // logits are made again
  EXPECT_EQ(generator.positions(), 8);
}

TEST(PromptCache, GivesTheBitsThatReadingGives) {
  const TemporaryFolder folder;
  const std::string file = folder.file("cache");
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const GeneratePlan plan(golden(), {.context = 128, .precision = precision, .threads = 1});
    const Ids prompt = some_ids(83);
    Generator first(plan);
    const Answer expected = answer_of(first, prompt, {.seed = 1, .max_tokens = 20});
    first.reset();
    first.append(prompt);
    first.save_cache(file);
    Generator second(plan);
    EXPECT_EQ(second.load_cache(file).positions, 83);
    EXPECT_EQ(second.read_prompt(prompt), 83);
    expect_same(answer_of(second, prompt, {.seed = 1, .max_tokens = 20, .reuse_cache = true}), expected);
    EXPECT_EQ(second.load_cache(file).positions, 83);  // over what is there
    Ids longer = prompt;
    longer.push_back(3);
    EXPECT_EQ(second.read_prompt(longer), 83);
  }
}

TEST(PromptCache, OfAnotherModelOrPrecisionOrDamagedIsNotUsed) {
  const TemporaryFolder folder;
  const std::string file = folder.file("cache");
  Generator generator(GeneratePlan(golden(), {.context = 64, .threads = 1}));
  error_of(ErrorKind::usage, [&] { generator.save_cache(file); });
  generator.append(some_ids(50));
  generator.save_cache(file);
  const auto refused = [&](const Model& model, const GenerateOptions& options) {
    Generator other(GeneratePlan(model, options));
    const auto loaded = other.load_cache(file);
    EXPECT_EQ(loaded.positions, 0);
    EXPECT_EQ(other.positions(), 0);
    return loaded.refused;
  };
  EXPECT_EQ(refused(golden(), {.context = 64, .precision = Precision::bf16, .threads = 1}),
            "it is of another precision: f32, not bf16");
  EXPECT_EQ(refused(TinyGpt2{}.model(), {.threads = 1}).find("it is of another model"), 0u);
  EXPECT_EQ(refused(golden(), {.context = 40, .threads = 1}), "it has 50 tokens, and the context only 40");

  std::string bytes = read_whole(file);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  folder.write("cache", bytes);
  EXPECT_EQ(refused(golden(), {.context = 64, .threads = 1}), "it is damaged");
  for (const std::size_t length : {bytes.size() - 7, std::size_t{200}, std::size_t{0}}) {
    folder.write("cache", bytes.substr(0, length));
    EXPECT_EQ(refused(golden(), {.context = 64, .threads = 1}), "it is damaged") << length;
  }
  EXPECT_NE(error_of(ErrorKind::input,
                     [&] { generator.load_cache(HONE_TEST_DATA "/models/gpt2/model.safetensors"); })
                .find("no prompt cache"),
            std::string::npos);
  folder.write("cache", "text");
  error_of(ErrorKind::input, [&] { generator.load_cache(file); });
  EXPECT_EQ(generator.positions(), 50);  // as it was
}

// What a cache is of is all that its numbers follow from, not the weights alone.
TEST(PromptCache, OfTheSameWeightsInAnotherModelIsNotUsed) {
  const TemporaryFolder folder;
  const std::string file = folder.file("cache");
  const auto config = [&](const std::string& more) {
    return from_config(folder.write("config.json", R"({"model_type": "llama", "vocab_size": 512,
      "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
      "max_position_embeddings": 64)" + more + "}"));
  };
  const auto loaded = [&](const Model& model, std::int64_t context) {
    Generator other(GeneratePlan(model, {.context = context, .threads = 1}));
    return other.load_cache(file);
  };
  const auto save = [&](const Model& model, std::int64_t context) {
    Generator generator(GeneratePlan(model, {.context = context, .threads = 1}));
    generator.append(some_ids(12));
    generator.save_cache(file);
  };
  const auto expect_used_by_its_own_only = [&](const Model& own, const Model& other) {
    save(own, 20);
    EXPECT_EQ(loaded(own, 30).positions, 12);
    EXPECT_EQ(own.weights_hash(), other.weights_hash());
    EXPECT_EQ(loaded(other, 20).positions, 0);
    EXPECT_EQ(loaded(other, 20).refused.find("it is of another model"), 0u);
  };
  expect_used_by_its_own_only(config(""), config(R"(, "rope_theta": 500000.0)"));
  expect_used_by_its_own_only(config(""), config(R"(, "rms_norm_eps": 1e-3)"));
  expect_used_by_its_own_only(with_lora(golden(), {.rank = 2, .alpha = 8}),
                              with_lora(golden(), {.rank = 2, .alpha = 64}));
  const Model longrope = config(R"(, "rope_scaling": {"rope_type": "longrope",
    "original_max_position_embeddings": 32, "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 3, 4]})");
  save(longrope, 20);
  EXPECT_EQ(loaded(longrope, 32).positions, 12);
  EXPECT_EQ(loaded(longrope, 33).positions, 0);  // the long factors
}

TEST(PromptCache, IsOfTheInstructionSetsThatHaveItsBits) {
  const TemporaryFolder folder;
  const std::string file = folder.file("cache");
  const auto loaded = [&](Precision precision, const char* saved_on, const char* loaded_on) {
    Generator first(GeneratePlan(golden(), {.precision = precision, .threads = 1, .isa = saved_on}));
    first.append(some_ids(12));
    first.save_cache(file);
    Generator second(GeneratePlan(golden(), {.precision = precision, .threads = 1, .isa = loaded_on}));
    return second.load_cache(file).positions;
  };
  EXPECT_EQ(loaded(Precision::bf16, "portable", "portable"), 12);
  EXPECT_EQ(loaded(Precision::f32, "portable", ""), best_isa() == Isa::portable ? 12 : 0);
  EXPECT_EQ(loaded(Precision::bf16, "portable", ""), best_isa() == Isa::portable ? 12 : 0);
  if (best_isa() == Isa::portable) return;
  EXPECT_EQ(loaded(Precision::f32, "avx2", ""), 12);
}

TEST(AnswerText, EndsInFrontOfAStopString) {
  const Tokenizer bytes = Tokenizer::bytes();
  const auto text_of = [&](const std::string& all, const std::vector<std::string>& stops) {
    AnswerText answer(bytes, stops);
    std::string text;
    for (std::size_t i = 0; i < all.size() && !answer.stopped(); ++i)
      text += answer.add(static_cast<unsigned char>(all[i]), i + 1 == all.size()) + "|";
    return text + (answer.stopped() ? "stopped" : "");
  };
  EXPECT_EQ(text_of("abcd", {"cd"}), "a|b|||stopped");
  EXPECT_EQ(text_of("abce", {"cd"}), "a|b||ce|");
  EXPECT_EQ(text_of("ab", {"bc"}), "a|b|");  // what waited comes with the last
  EXPECT_EQ(text_of("xaab", {"ab", "q"}), "x||a||stopped");
  EXPECT_EQ(text_of("\xC3\xA9!", {"!"}), "|\xC3\xA9||stopped");
  EXPECT_EQ(text_of("ab", {}), "a|b|");
}

TEST(Sampler, RepetitionPenaltyIsThatOfTransformers) {
  std::vector<float> logits{2, -1, 0, 3};
  penalize(logits, Ids{0, 0, 1, 9, -1}, 2);
  EXPECT_EQ(logits, (std::vector<float>{1, -2, 0, 3}));
}

TEST(Sampler, MinPKeepsWhatHasItsShareOfTheLargest) {
  const std::vector<float> logits{0, std::log(0.5f), std::log(0.2f), std::log(0.05f)};
  const auto kept = candidates(logits, {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0.3f});
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_NEAR(kept[0].second, 2.0 / 3, 1e-6);
  EXPECT_EQ(candidates(logits, {.temperature = 1, .top_k = 3, .top_p = 1, .min_p = 1}).size(), 1u);
  error_of(ErrorKind::usage, [] { check({.min_p = 2}); });
  error_of(ErrorKind::usage, [] { check({.repetition_penalty = 0}); });
  error_of(ErrorKind::usage, [] { check({.stop_strings = {""}}); });
}

TEST(GenerationDefaults, AreWhatTheFolderSays) {
  const TemporaryFolder folder;
  EXPECT_TRUE(generation_defaults(folder.path()).end_tokens.empty());
  folder.write("config.json", R"({"eos_token_id": 5})");
  EXPECT_EQ(generation_defaults(folder.path()).end_tokens, Ids{5});
  folder.write(
      "generation_config.json",
      R"({"eos_token_id": [1, 2], "do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": null})");
  const GenerationDefaults d = generation_defaults(folder.path());
  EXPECT_EQ(d.end_tokens, (Ids{1, 2}));
  EXPECT_TRUE(d.samples);
  EXPECT_EQ(d.temperature, 0.6f);
  EXPECT_EQ(d.top_k, 20);
  EXPECT_FALSE(d.top_p);
}

TEST(GenerationDefaults, SayWhichEndIsNone) {
  const TemporaryFolder folder;
  const auto of = [&](const std::string& eos) {
    folder.write("generation_config.json", "{\"eos_token_id\": " + eos + "}");
    return generation_defaults(folder.path(), 100);
  };
  for (const std::string eos : {"\"2\"", "-1", "100", "99999", "1.5"}) {
    const GenerationDefaults d = of("[7, " + eos + "]");
    EXPECT_EQ(d.end_tokens, Ids{7});
    ASSERT_EQ(d.notes.size(), 1u) << eos;
    EXPECT_NE(d.notes[0].find("eos_token_id is " + eos + ", which is no id"), std::string::npos)
        << d.notes[0];
  }
  for (const std::string eos : {"null", "99", "[3, 4]"}) EXPECT_TRUE(of(eos).notes.empty()) << eos;
  folder.write("config.json", R"({"eos_token_id": 5})");
  EXPECT_EQ(of("\"2\"").end_tokens, Ids{5});
}

TEST(ReadPrompts, TakesLinesOrJsonLines) {
  const TemporaryFolder folder;
  using Texts = std::vector<std::string>;
  EXPECT_EQ(read_prompts(folder.write("a.txt", "one\n\n two \r\n{\"prompt\": 1}")),
            (Texts{"one", " two ", "{\"prompt\": 1}"}));
  EXPECT_EQ(
      read_prompts(folder.write("a.jsonl", "{\"prompt\": \"x\\ny\"}\n\n{\"id\": 1, \"prompt\": \"z\"}\n")),
      (Texts{"x\ny", "z"}));
  const auto refusal = [&](const std::string& text) {
    return error_of(ErrorKind::input, [&] { read_prompts(folder.write("b.jsonl", text)); });
  };
  EXPECT_NE(refusal("{\"prompt\": \"x\"}\n{\"text\": 1}\n").find("b.jsonl, line 2"), std::string::npos);
  EXPECT_NE(refusal("{\"prompt\": 1}\n").find("b.jsonl, line 1"), std::string::npos);
  EXPECT_NE(refusal("\n").find("no prompts"), std::string::npos);
}

}  // namespace
}  // namespace hone
