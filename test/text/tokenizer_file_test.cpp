// tokenizer.json files as people have them. Ids are those of Hugging Face's tokenizers 0.23.3.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "hone/tokenizer.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int32_t>;

json gpt2() { return read_json(HONE_TEST_DATA "/tokenizers/gpt2/tokenizer.json"); }
Tokenizer parsed(const json& file) { return Tokenizer::parse(file.dump(), "t.json"); }
std::string refusal(const json& file) {
  return error_of(ErrorKind::input, [&] { parsed(file); });
}

// gpt2's file after a change gives the ids that it gave before, and notes that hold these words.
void expect_same_ids(const std::function<void(json&)>& change, const std::vector<std::string>& notes = {}) {
  json file = gpt2();
  change(file);
  const Tokenizer t = parsed(file);
  EXPECT_EQ(t.encode("To be, or not to be<|endoftext|> It's"),
            (Ids{520, 314, 14, 509, 375, 293, 314, 0, 925, 394}));
  ASSERT_EQ(t.notes().size(), notes.size());
  for (std::size_t i = 0; i < notes.size(); ++i)
    EXPECT_NE(t.notes()[i].find(notes[i]), std::string::npos) << t.notes()[i];
}

TEST(TokenizerFile, OldFilesLackWhatNewOnesHave) {
  expect_same_ids([](json& f) {
    for (const char* key : {"type", "byte_fallback", "ignore_merges", "fuse_unk"}) f["model"].erase(key);
    for (const char* key : {"version", "truncation", "padding", "normalizer"}) f.erase(key);
    f["pre_tokenizer"].erase("use_regex");
  });
  expect_same_ids([](json& f) {
    f["model"]["type"] = nullptr;
    f["model"]["unk_token"] = "";
    f["model"]["dropout"] = 0.0;
    f["model"]["continuing_subword_prefix"] = "";
  });
}

TEST(TokenizerFile, MergesAreTextsOrPairs) {
  expect_same_ids([](json& f) {
    for (json& merge : f["model"]["merges"]) {
      if (!merge.is_string()) continue;
      const auto text = merge.get<std::string>();
      const auto space = text.find(' ');
      merge = {text.substr(0, space), text.substr(space + 1)};
    }
  });
  expect_same_ids([](json& f) {
    for (json& merge : f["model"]["merges"])
      if (merge.is_array()) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    f["model"]["merges"].insert(f["model"]["merges"].begin(), "#version: 0.2");
  });
}

TEST(TokenizerFile, WhatChangesNoIdIsANote) {
  expect_same_ids(
      [](json& f) {
        f["truncation"] = {
            {"max_length", 4}, {"direction", "Right"}, {"strategy", "LongestFirst"}, {"stride", 0}};
        f["padding"] = {{"strategy", {{"Fixed", 16}}}, {"pad_id", 0}};
      },
      {"truncation and padding"});
  expect_same_ids(
      [](json& f) {
        f["colour"] = 1;
        f["model"]["cache_capacity"] = 10;
        f["added_tokens"][0]["rank"] = 3;
        f["added_tokens"][1]["rank"] = 3;
      },
      {R"("colour", "model.cache_capacity", "added_tokens.rank")"});
  expect_same_ids([](json& f) {
    f["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {f["pre_tokenizer"]}}};
    f["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
    f["model"]["byte_fallback"] = true;  // no byte is unknown
  });
  expect_same_ids([](json& f) { f["decoder"] = nullptr; }, {"no decoder"});
  expect_same_ids([](json& f) { f["model"]["dropout"] = 0.5; }, {"model.dropout"});
  expect_same_ids([](json& f) { f["added_tokens"][0]["id"] = 777; }, {"added_tokens[0]"});
}

json added(int id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", false}};
}

TEST(TokenizerFile, AddedTokensTakeWhiteSpaceAlong) {
  json file = gpt2();
  json mask = added(1500, "<mask>"), negation = added(1501, "not");
  mask["lstrip"] = true;
  negation["rstrip"] = negation["normalized"] = true;
  file["added_tokens"].push_back(mask);
  file["added_tokens"].push_back(negation);
  const Ids expected{520, 314, 1500, 509, 1500, 968, 86, 81, 314, 223, 223, 968, 968, 0, 90, 1500};
  const std::string text = "To be  <mask> or <mask>not to be  not \n not<|endoftext|>x  <mask>";
  EXPECT_NE(parsed(gpt2()).encode(text), expected);
  EXPECT_EQ(parsed(file).encode(text), expected);
  const Tokenizer again = Tokenizer::parse(parsed(file).json(), "again");
  EXPECT_EQ(again.encode(text), expected);
}

TEST(TokenizerFile, AddedTokensThatAreNormalizedComeSecond) {
  json file = gpt2();
  json be = added(1500, "be"), longer = added(1502, "be, o");
  be["normalized"] = longer["normalized"] = true;
  for (const json& token : {be, added(1501, "e,"), longer}) file["added_tokens"].push_back(token);
  EXPECT_EQ(parsed(file).encode("To be, or be be, o"), (Ids{520, 274, 1501, 509, 223, 1500, 274, 1501, 270}));
}

TEST(TokenizerFile, AnAddedTokenWithinTheWhiteSpaceOfAnotherStillCounts) {
  json file = gpt2();
  json space = added(1500, " "), conjunction = added(1501, "or");
  conjunction["lstrip"] = conjunction["rstrip"] = true;
  space["normalized"] = conjunction["normalized"] = true;
  file["added_tokens"].push_back(space);
  file["added_tokens"].push_back(conjunction);
  EXPECT_EQ(parsed(file).encode("To be, or not"), (Ids{520, 1500, 68, 71, 14, 1500, 275, 1500, 968}));
}

TEST(TokenizerFile, AddedTokensPastTheVocabularyHaveTheNextIds) {
  json file = gpt2();
  file["added_tokens"].push_back(added(1777, "zzz"));
  const Tokenizer t = parsed(file);
  EXPECT_EQ(t.encode("a zzz b"), (Ids{67, 223, 1500, 274}));
  ASSERT_EQ(t.notes().size(), 1u);
  EXPECT_NE(t.notes()[0].find("added_tokens[3]"), std::string::npos) << t.notes()[0];
}

TEST(TokenizerFile, WhatWouldChangeIdsIsRefusedByName) {
  const auto expect_refused = [](const std::function<void(json&)>& change, const std::string& words) {
    json file = gpt2();
    change(file);
    const std::string message = refusal(file);
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  expect_refused([](json& f) { f["model"]["dropout"] = "0.5"; }, "model.dropout");
  expect_refused([](json& f) { f["normalizer"] = {{"type", "NFCD"}}; }, "NFCD");
  expect_refused([](json& f) { f["version"] = "2.0"; }, "version");
  expect_refused([](json& f) { f["model"]["merges"][17] = "q"; }, "model.merges[17]");
  expect_refused([](json& f) { f.erase("model"); }, "not a tokenizer.json");
  expect_refused(
      [](json& f) {
        f["model"] = {{"vocab", json::array()}};
        f["added_tokens"].clear();
      },
      "empty");
}

TEST(TokenizerFile, AFolderWithoutOneSaysWhatItHas) {
  const TemporaryFolder folder;
  folder.write("vocab.json", "{}");
  folder.write("spiece.model", "");
  const auto message = error_of(ErrorKind::input, [&] { Tokenizer::open(folder.path()); });
  EXPECT_NE(message.find("vocab.json, spiece.model"), std::string::npos) << message;
}

// GPT-2's first files: ids as its tokenizer.json has them.
TEST(TokenizerFile, AFolderOfVocabularyAndMergesIsRead) {
  const TemporaryFolder folder;
  const json file = gpt2();
  std::string merges = "#version: 0.2\n";
  for (const json& m : file["model"]["merges"])
    merges +=
        (m.is_string() ? m.get<std::string>() : m[0].get<std::string>() + " " + m[1].get<std::string>()) +
        "\n";
  folder.write("vocab.json", file["model"]["vocab"].dump());
  folder.write("merges.txt", merges);
  const std::string text = "To be, or not to be<|endoftext|> It's";
  EXPECT_EQ(Tokenizer::open(folder.path()).encode(text), parsed(file).encode(text));
  EXPECT_EQ(Tokenizer::of_model(folder.path())->end_of_text(), 0);
  folder.write(
      "tokenizer_config.json",
      R"({"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": true, "bos_token": {"content": "<|im_start|>"}})");
  EXPECT_EQ(Tokenizer::open(folder.path()).encode("a", true), (Ids{1, 67}));
  folder.write("merges.txt", merges + "q\n");
  const auto cut = error_of(ErrorKind::input, [&] { Tokenizer::open(folder.path()); });
  EXPECT_NE(cut.find("model.merges[1241]"), std::string::npos) << cut;
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  const auto other = error_of(ErrorKind::input, [&] { Tokenizer::open(folder.path()); });
  EXPECT_NE(other.find("CLIPTokenizer"), std::string::npos) << other;
}

TEST(TokenizerFile, AFolderOfBertsWordsIsRead) {
  const TemporaryFolder folder;
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\n,\n");
  const Tokenizer t = Tokenizer::open(folder.path());
  EXPECT_EQ(t.encode("Un\u00e2ffable, [MASK] x", true), (Ids{2, 5, 6, 7, 8, 4, 1, 3}));
  EXPECT_EQ(t.decode(Ids{2, 5, 6, 7, 8, 5, 3}), "unaffable, un");
  folder.write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(Tokenizer::open(folder.path()).encode("Un"), (Ids{1}));
  folder.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nun\nun\n");
  const auto twice = error_of(ErrorKind::input, [&] { Tokenizer::open(folder.path()); });
  EXPECT_NE(twice.find("line 5"), std::string::npos) << twice;
}

// As Python's decode("utf-8", "replace") gives them.
TEST(AsUtf8, EachBrokenSequenceBecomesOneReplacement) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(as_utf8("a\xFF"
                    "b"),
            "a" + r + "b");
  EXPECT_EQ(as_utf8("\xE5\xA4"), r);
  EXPECT_EQ(as_utf8("\xE5\xA4\xA7\xE5"), "\xE5\xA4\xA7" + r);
  EXPECT_EQ(as_utf8("\xF0\x9F\x98"), r);
  EXPECT_EQ(as_utf8("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(as_utf8("\xED\xA0\x80"), r + r + r);
  EXPECT_EQ(as_utf8("\xC0\x80"), r + r);
  EXPECT_EQ(as_utf8("\xE0\x80\x80"), r + r + r);
  EXPECT_EQ(as_utf8("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(as_utf8("\xF5x"), r + "x");
  EXPECT_EQ(as_utf8("\xE1\x80\xE1"), r + r);
  EXPECT_EQ(as_utf8("\xF1\x80\x80"
                    "a"),
            r + "a");
  EXPECT_EQ(as_utf8("\xC3("), r + "(");
  EXPECT_EQ(as_utf8(std::string_view("a\0b", 3)), std::string_view("a\0b", 3));
}

}  // namespace
}  // namespace hone
