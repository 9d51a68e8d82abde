// Every kind of a stage against Hugging Face's tokenizers 0.23.3: small files (tools/tokenizer_kinds.py), and
// whole ones of the usual makes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "file/mapped.hpp"
#include "hone/tokenizer.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

const std::string data = HONE_TEST_DATA "/tokenizers/";

json file_of(const json& model, const json& parts) {
  json file{{"version", "1.0"}, {"added_tokens", json::array()}, {"model", model}};
  for (const char* key : {"normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens"})
    if (parts.contains(key)) file[key] = parts[key];
  return file;
}

// Of a text: ids, ids without specials, both decodings; what is as the one before it is null.
void expect_golden(const Tokenizer& tokenizer, const std::string& text, const json& golden,
                   const std::string& what) {
  const auto ids = golden[0].get<Ids>();
  const auto decoded = golden[2].get<std::string>();
  ASSERT_EQ(tokenizer.encode(text, true), ids) << what << "\n" << text;
  ASSERT_EQ(tokenizer.encode(text), golden[1].is_null() ? ids : golden[1].get<Ids>()) << what << "\n" << text;
  ASSERT_EQ(as_utf8(tokenizer.decode(ids)), decoded) << what << "\n" << text;
  ASSERT_EQ(as_utf8(tokenizer.decode(ids, true)),
            golden[3].is_null() ? decoded : golden[3].get<std::string>())
      << what << "\n"
      << text;
}

TEST(TokenizerKinds, GiveTheIdsAndTextsOfTheReference) {
  const json all = read_json(data + "kinds.json");
  ASSERT_GT(all["cases"].size(), 150u);
  for (json c : all["cases"]) {
    const json golden = c["golden"], model = all["models"][c["model"].get<std::string>()];
    c.erase("golden");
    const Tokenizer tokenizer = Tokenizer::parse(file_of(model, c).dump(), "t.json");
    for (std::size_t i = 0; i < golden.size(); ++i)
      if (!golden[i].is_null())
        expect_golden(tokenizer, all["texts"][i].get<std::string>(), golden[i], c.dump());
  }
}

TEST(TokenizerKinds, OfUsualMakesGiveTheIdsAndTextsOfTheReference) {
  for (const char* make : {"bert", "gpt2", "llama2", "llama3", "qwen", "smollm", "unigram"}) {
    const TokenizerReport report =
        verify_tokenizer(Tokenizer::open(data + make), data + make + "/golden.json");
    EXPECT_TRUE(report.ok) << make << ": " << report.text << "\n" << report.expected << "\n" << report.found;
    EXPECT_EQ(report.texts, 29);
  }
}

TEST(TokenizerKinds, WhatDiffersIsNamed) {
  const TemporaryFolder folder;
  folder.write("g.json", R"([{"text": "a", "ids": [67]}, {"text": "To be", "ids": [520, 315]}])");
  const TokenizerReport report = verify_tokenizer(Tokenizer::open(data + "gpt2"), folder.file("g.json"));
  EXPECT_FALSE(report.ok);
  EXPECT_EQ(report.text, "To be");
  EXPECT_EQ(report.what, "ids");
  EXPECT_EQ(report.expected, "[520, 315]");
  EXPECT_EQ(report.found, "[520, 314]");
  EXPECT_EQ(report.differing, 1);
}

// However the ids are cut, the parts are the text; no part ends within a character that the text has whole.
TEST(TokenizerKinds, ATextDecodedWhileItsIdsComeIsTheText) {
  for (const char* make : {"bert", "gpt2", "llama2", "llama3", "qwen", "smollm", "unigram"}) {
    const Tokenizer tokenizer = Tokenizer::open(data + make);
    for (const json& c : read_json(data + make + "/golden.json")) {
      const auto ids = c["ids"].get<Ids>();
      TextDecoder decoder(tokenizer, true);
      std::string text;
      for (const std::int32_t id : ids) {
        const std::string part = decoder.add(id);
        EXPECT_EQ(as_utf8(part), part) << make;
        text += part;
      }
      EXPECT_EQ(as_utf8(text + decoder.finish()), c["decoded_with_specials"].get<std::string>()) << make;
    }
  }
}

TEST(TokenizerKinds, ByteLevelTextComesTokenByToken) {
  TextDecoder decoder(Tokenizer::bytes());
  EXPECT_EQ(decoder.add('a'), "a");
  EXPECT_EQ(decoder.add(0xE5), "");
  EXPECT_EQ(decoder.add(0xA4), "");
  EXPECT_EQ(decoder.add(0xA7), "\xE5\xA4\xA7");
  EXPECT_EQ(decoder.add(0xE5), "");
  EXPECT_EQ(decoder.finish(), "\xE5");
  EXPECT_EQ(decoder.add('b'), "b");
}

// A text in pieces has the ids of the whole, and so has one in which no piece can end.
TEST(TokenizerKinds, ALongTextHasTheIdsOfItsParts) {
  for (const char* make : {"bert", "llama2", "llama3", "qwen", "smollm", "unigram"}) {
    const Tokenizer tokenizer = Tokenizer::open(data + make);
    std::string text;
    Ids expected;
    const std::string paragraph =
        "The quick brown fox, 1234 times; na\xC3\xAFve \xE5\xA4\xA7!\r\n\r\n  It's <|im_end|>";
    for (int i = 0; i < 12000; ++i) text += paragraph;
    const Ids ids = tokenizer.encode(text), head = tokenizer.encode(text.substr(0, paragraph.size() * 40));
    ASSERT_GT(text.size(), 700'000u);
    EXPECT_TRUE(std::equal(head.begin(), head.end() - 20, ids.begin())) << make;
    EXPECT_NEAR(static_cast<double>(ids.size()), static_cast<double>(head.size()) * 300, head.size()) << make;
  }
}

TEST(TokenizerKinds, OneEndlessWordTakesNoQuadraticTime) {
  const std::string word(1 << 20, 'a');
  for (const char* make : {"bert", "llama2", "llama3", "qwen", "smollm", "unigram"})
    EXPECT_GT(Tokenizer::open(data + make).encode(word + " " + word, true).size(), 1u) << make;
}

TEST(TokenizerKinds, WhatIsSavedIsWhatWasRead) {
  const TemporaryFolder folder;
  for (const char* make : {"bert", "llama2", "unigram"}) {
    Tokenizer::open(data + make).save(folder.path());
    EXPECT_EQ(read_file(folder.file("tokenizer.json")), read_file(data + make + "/tokenizer.json"));
  }
}

TEST(TokenizerKinds, MoreSequenceTokensStandBehindTheOthers) {
  const Tokenizer plain = Tokenizer::open(data + "llama3"), more = plain.with_sequence_tokens();
  EXPECT_EQ(more.sequence_tokens().begin, 1500);
  EXPECT_EQ(more.encode("<s> To be"), [&] {
    Ids ids{1500};
    for (const std::int32_t id : plain.encode(" To be")) ids.push_back(id);
    return ids;
  }());
  EXPECT_EQ(Tokenizer::parse(more.json(), "again"), more);
}

TEST(TokenizerKinds, TextThatIsNoUtf8IsAnErrorButToBytes) {
  for (const char* make : {"bert", "llama2", "unigram"}) {
    const std::string message = error_of(ErrorKind::input, [&] {
      Tokenizer::open(data + make)
          .encode(
              "ab\xFF"
              "c");
    });
    EXPECT_NE(message.find("byte 2"), std::string::npos) << message;
  }
  for (const char* make : {"gpt2", "llama3", "qwen", "smollm"}) {
    const Tokenizer tokenizer = Tokenizer::open(data + make);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode("ab\xFF"
                                                "c \xE5\xA4")),
              "ab\xFF"
              "c \xE5\xA4")
        << make;
  }
}

TEST(TokenizerKinds, TokensAreFoundByName) {
  const Tokenizer t = Tokenizer::open(data + "bert");
  EXPECT_EQ(t.find("[SEP]"), 3);
  EXPECT_EQ(t.token(*t.find("the")), "the");
  EXPECT_FALSE(t.find("no such token"));
}

// What is wrong is named, with its place in the file.
TEST(TokenizerKinds, AMistakeIsSaidWithItsPlace) {
  const auto expect_refused = [](const char* make, const std::string& pointer, const json& value,
                                 const std::string& words) {
    json file = read_json(data + make + "/tokenizer.json");
    file[json::json_pointer(pointer)] = value;
    const std::string message = error_of(ErrorKind::input, [&] { Tokenizer::parse(file.dump(), "t.json"); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  expect_refused("llama2", "/normalizer/normalizers/1/type", "Replaced", "normalizer.normalizers[1]");
  expect_refused("llama2", "/normalizer/normalizers/1/content", 7, "normalizer.normalizers[1].content");
  expect_refused("llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "a(b",
                 "pretokenizers[0].pattern.Regex");
  expect_refused("llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "(a)\\1",
                 "\\1, which is not supported");
  expect_refused("llama3", "/pre_tokenizer/pretokenizers/0/behavior", "Alone", "pretokenizers[0].behavior");
  expect_refused("llama2", "/post_processor/single/0/SpecialToken/id", "<t>",
                 "post_processor.special_tokens: \"<t>\" is missing");
  expect_refused("llama2", "/decoder/decoders/3/start", -1, "decoder.decoders[3].start");
  expect_refused("unigram", "/model/vocab/5", json::array({"a"}), "model.vocab[5]");
  expect_refused("unigram", "/model/unk_id", 1500, "model.unk_id");
  expect_refused("bert", "/model/vocab/the", 5, "two tokens have the id 5");
  expect_refused("bert", "/model/type", "WordPieces", "model.type");
  expect_refused("bert", "/added_tokens/1/lstrip", "yes", "added_tokens[1].lstrip");
  expect_refused("gpt2", "/model/merges/3", json::array({"a", "qqq"}), "model.merges[3]");
  expect_refused("gpt2", "/model/fuse_unk", 1, "model.fuse_unk");
}

}  // namespace
}  // namespace hone
