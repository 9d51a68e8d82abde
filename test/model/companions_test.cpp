// What goes with a model: tokenizer, special tokens, templates and habits, through GGUF files, merges and
// training runs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "gguf_files.hpp"
#include "hone/chat.hpp"
#include "hone/convert.hpp"
#include "hone/lora.hpp"
#include "hone/training_run.hpp"
#include "text/end_tokens.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

void expect_in(const std::string& part, const std::string& text) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

constexpr const char* chat_template =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// A folder whose turns end otherwise than its texts, with a table of more rows than there are tokens.
class ChatFolder : public testing::Test {
 protected:
  ChatFolder() {
    const Tokenizer tokenizer = Tokenizer::train_bpe(
        "a text that says little, and says it again and again",
        {.vocab_size = 270, .special_tokens = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}});
    ids_ = tokenizer.vocab_size();
    const std::string config = folder_.write(
        "config.json",
        R"({"model_type": "llama", "vocab_size": 280, "hidden_size": 32, "intermediate_size": 32,
          "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16,
          "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3,
          "tie_word_embeddings": true})");
    from_config(config).save(model_);
    tokenizer.save(model_);
    write(model_ + "/tokenizer_config.json", Json{{"bos_token", "<|im_start|>"},
                                                  {"eos_token", {{"content", "<|im_end|>"}}},
                                                  {"chat_template", chat_template}});
    folder_.write("prompts.jsonl", R"({"prompt": "says", "completion": " it"}
{"prompt": "a", "completion": " text"}
)");
    convert(model_, gguf_, {.type = "f32"});
  }

  static void write(const std::string& path, const Json& json) { std::ofstream(path) << json.dump(); }

  void expect_companions(const std::string& folder) const {
    const auto chat = ChatTemplate::of_model(folder);
    ASSERT_TRUE(chat);
    EXPECT_EQ(chat->source(), chat_template);
    const auto names = special_token_names(folder);
    EXPECT_EQ(names.at("bos_token"), "<|im_start|>");
    EXPECT_EQ(names.at("eos_token"), "<|im_end|>");
    const auto ends = end_token_ids(folder);
    ASSERT_FALSE(ends.empty());
    EXPECT_EQ(ends.front(), 2);
    ASSERT_TRUE(Tokenizer::of_model(folder));
    EXPECT_EQ(Tokenizer::open(folder).vocab_size(), ids_);
    EXPECT_EQ(Tokenizer::open(folder).encode("says it<|im_end|>"),
              Tokenizer::open(model_).encode("says it<|im_end|>"));
  }

  TrainingRun run(const std::string& model) const {
    TrainingRun run;
    run.model = model, run.data = folder_.file("prompts.jsonl"), run.out = folder_.file("out");
    run.steps = 1, run.warmup = 0, run.plan.batch = 1, run.plan.threads = 1;
    return run;
  }

  const TemporaryFolder folder_;
  const std::string model_ = folder_.file("model"), gguf_ = folder_.file("m.gguf");
  std::int64_t ids_ = 0;
};

TEST_F(ChatFolder, ComesBackFromGgufWithItsTokensAndTemplate) {
  convert(gguf_, folder_.file("back"));
  expect_companions(folder_.file("back"));
}

TEST_F(ChatFolder, SeveralTemplatesAndEndsComeBackFromGguf) {
  const std::string named = with_key(folder_, gguf_, "tokenizer.chat_template.tool_use", "tools");
  const TemporaryFolder other;
  convert(with_key(other, named, "tokenizer.ggml.eot_token_id", std::uint32_t{0}), folder_.file("back"));
  expect_companions(folder_.file("back"));
  EXPECT_EQ(ChatTemplate::of_model(folder_.file("back"), "tool_use")->source(), "tools");
  EXPECT_EQ(end_token_ids(folder_.file("back")), (std::vector<std::int32_t>{2, 0}));
}

TEST_F(ChatFolder, GoesWithWhatIsTrainedFromGgufAndFolder) {
  for (const std::string& base : {gguf_, model_}) {
    for (const bool lora : {false, true}) {
      TrainingRun options = run(base);
      if (lora) options.lora = LoraOptions{.rank = 2};
      train(options);
      expect_companions(options.out);
      std::filesystem::remove_all(options.out);
    }
    std::filesystem::create_directory(folder_.file("merged"));
    write(folder_.file("merged") + "/config.json", {{"eos_token_id", 2}});  // the model's, which merge writes
    copy_tokenizer(base, folder_.file("merged"));
    expect_companions(folder_.file("merged"));
    std::filesystem::remove_all(folder_.file("merged"));
  }
}

// Ids behind the tokenizer's are rows that make the table's length round.
TEST_F(ChatFolder, PaddedRowsAreNoTokens) {
  EXPECT_EQ(open(gguf_).vocab_size(), 280);
  EXPECT_EQ(Tokenizer::open(gguf_).vocab_size(), ids_);
  const Tokenizer tokenizer = Tokenizer::open(gguf_);
  Generator generator{GeneratePlan(open(gguf_), {.threads = 1})};
  const std::vector<std::int32_t> prompt{5};
  for (const Piece& piece : generator.generate(
           prompt, {.temperature = 50, .top_k = 0, .top_p = 1, .seed = 1, .max_tokens = 40}, &tokenizer))
    EXPECT_LT(piece.token, ids_);
}

TEST_F(ChatFolder, ACompletionEndsWithTheModelsOwnEnd) {
  const auto last = [&] { return show_examples(run(model_), 1).at(0).pieces.back().text; };
  EXPECT_EQ(last(), " it<|im_end|>");
  EXPECT_EQ(show_examples(run(gguf_), 1).at(0).pieces.back().text, " it<|im_end|>");
  write(model_ + "/tokenizer_config.json", Json::object());
  EXPECT_EQ(last(), " it<|im_end|>") << "by config.json";
  write(model_ + "/generation_config.json", {{"eos_token_id", {1, 2}}});
  EXPECT_EQ(last(), " it<|im_start|>") << "by generation_config.json";
  TrainingRun other = run("llama-tiny");
  other.tokenizer = model_;
  EXPECT_EQ(show_examples(other, 1).at(0).pieces.back().text, " it<|endoftext|>");
}

TEST_F(ChatFolder, AnotherTokenizerHelpsWhereTheModelsIsNotRead) {
  const std::string strange = with_key(folder_, gguf_, "tokenizer.ggml.pre", "strange");
  error_of(ErrorKind::input, [&] { Tokenizer::of_model(strange); });
  EXPECT_FALSE(readable_tokenizer(strange));
  EXPECT_TRUE(readable_tokenizer(gguf_));
  TrainingRun options = run(strange);
  error_of(ErrorKind::input, [&] { train(options); });
  options.tokenizer = model_ + "/tokenizer.json";
  train(options);
  expect_companions(options.out);
  expect_in("not known by this name",
            error_of(ErrorKind::input, [&] { convert(strange, folder_.file("new")); }));
  EXPECT_FALSE(is_folder(folder_.file("new")));
}

// A tokenizer that came out of such a file goes back as what it was.
TEST_F(ChatFolder, WordsCutByDefaultStaySoThroughAFolder) {
  const std::string unnamed = with_key(folder_, gguf_, "tokenizer.ggml.pre", "default");
  const ConvertReport to_folder = convert(unnamed, folder_.file("back"));
  ASSERT_FALSE(to_folder.notes.empty());
  expect_in("tokenizer.ggml.pre is \"default\"", to_folder.notes.back());
  EXPECT_TRUE(convert(folder_.file("back"), folder_.file("again.gguf")).notes.empty());
  std::filesystem::create_directory(folder_.file("merged"));
  const auto copied = copy_tokenizer(unnamed, folder_.file("merged"));
  ASSERT_EQ(copied.size(), 1U);
  expect_in("tokenizer.ggml.pre is \"default\"", copied[0]);
  EXPECT_TRUE(copy_tokenizer(unnamed, folder_.file("merged")).empty()) << "there already";
  EXPECT_EQ(GgufFile(folder_.file("again.gguf")).text("tokenizer.ggml.pre"), "default");
  EXPECT_EQ(Tokenizer::open(folder_.file("again.gguf")).encode("says 1234"),
            Tokenizer::open(folder_.file("back")).encode("says 1234"));
}

TEST_F(ChatFolder, IsNotConvertedOverAModel) {
  convert(gguf_, folder_.file("back"));
  expect_in("would be replaced", error_of(ErrorKind::usage, [&] { convert(gguf_, folder_.file("back")); }));
  expect_in("never changed", error_of(ErrorKind::usage, [&] { convert(gguf_, gguf_); }));
  expect_in("never changed", error_of(ErrorKind::usage, [&] { convert(model_, model_ + "/"); }));
  expect_in("would be replaced",
            error_of(ErrorKind::usage, [&] { convert(model_, gguf_, {.type = "q8_0"}); }));
}

// llama.cpp loads no file with other counts of tokens and rows.
TEST_F(ChatFolder, TokensWithoutARowAreRefusedInGguf) {
  const Json own = Json::parse(read_whole(model_ + "/tokenizer.json"));
  const auto with_token = [&](std::int64_t id, bool special) {
    Json file = own;
    file["added_tokens"].push_back({{"id", id},
                                    {"content", "<more>"},
                                    {"special", special},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false}});
    write(model_ + "/tokenizer.json", file);
    return folder_.file("tokens.gguf");
  };
  const std::string refused = with_token(280, false);
  expect_in("ids below vocab_size 280", error_of(ErrorKind::input, [&] { convert(model_, refused); }));
  EXPECT_FALSE(is_file(refused));
  convert(model_, with_token(280, true));
  EXPECT_EQ(GgufFile(folder_.file("tokens.gguf")).texts("tokenizer.ggml.tokens").size(), 280u);
}

TEST_F(ChatFolder, AnAdapterInGgufIsNamed) {
  const Model adapted = with_lora(open(model_), {.rank = 2, .base = model_});
  adapted.save(folder_.file("adapter"));
  const std::string file = folder_.file("adapter.gguf");
  convert(folder_.file("adapter"), file);
  expect_in("this is a LoRA adapter", error_of(ErrorKind::input, [&] { open(file); }));
  expect_in("not read from GGUF", error_of(ErrorKind::input, [&] { with_adapter(open(model_), file); }));
}

}  // namespace
}  // namespace hone
