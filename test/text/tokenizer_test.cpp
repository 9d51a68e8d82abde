#include "hone/tokenizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "file/json.hpp"
#include "temporary_folder.hpp"
#include "text/split.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

Tokenizer gpt2() { return Tokenizer::open(HONE_TEST_DATA "/tokenizers/gpt2"); }

// A long text of many kinds of words and white space.
std::string sample_text(int lines) {
  std::string text;
  std::uint32_t state = 1;
  for (int i = 0; i < lines; ++i) {
    for (int w = 0; w < 9; ++w) {
      state = state * 1664525u + 1013904223u;
      constexpr const char* words[] = {
          "the",  " king's", "  two", "\tna\xC3\xAFve", " 1234",        "...", "\n", " \n",
          "\r\n", "we'll",   " and",  " thee",          "\xE5\xA4\xA7", "!?",  " x", "o"};
      text += words[state >> 28];
    }
    text += "\n";
  }
  return text;
}

TEST(Tokenizer, Gpt2GivesTheIdsAndTextsOfTheReference) {
  const Tokenizer tokenizer = gpt2();
  EXPECT_EQ(tokenizer.vocab_size(), 1500);
  EXPECT_EQ(tokenizer.end_of_text(), 0);
  const auto cases = read_json(HONE_TEST_DATA "/tokenizers/gpt2/golden.json");
  ASSERT_GT(cases.size(), 25u);
  for (const auto& c : cases) {
    const auto text = c["text"].get<std::string>();
    const Ids ids = tokenizer.encode(text);
    EXPECT_EQ(ids, c["ids"].get<Ids>()) << text;
    EXPECT_EQ(ids, c["ids_without_specials"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer.decode(ids), c["decoded"].get<std::string>());
    EXPECT_EQ(tokenizer.decode(ids, true), c["decoded_with_specials"].get<std::string>());
  }
}

TEST(Tokenizer, EqualOnesGiveTheSameIds) {
  EXPECT_EQ(gpt2(), Tokenizer::parse(gpt2().json(), "again"));
  EXPECT_EQ(Tokenizer::chars("abc"), Tokenizer::chars("cabba"));
  EXPECT_NE(Tokenizer::chars("abc"), Tokenizer::chars("abd"));
  EXPECT_NE(Tokenizer::bytes(), gpt2());
  const TemporaryFolder folder;
  EXPECT_FALSE(Tokenizer::of_model(folder.file("none")));
  gpt2().save(folder.file("model"));
  EXPECT_EQ(Tokenizer::of_model(folder.file("model")), gpt2());
}

TEST(Tokenizer, Gpt2TakesAnyBytes) {
  const Tokenizer tokenizer = gpt2();
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i * 7);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(bytes)), bytes);
  EXPECT_EQ(tokenizer
                .encode("ab\xFF"
                        "cd")
                .size(),
            tokenizer.encode("ab").size() + 1 + tokenizer.encode("cd").size());
}

TEST(Tokenizer, SavedAndOpenedAgainGivesTheSame) {
  const std::string text = sample_text(50);
  for (const Tokenizer& tokenizer : {gpt2(), Tokenizer::bytes(), Tokenizer::chars(text),
                                     Tokenizer::train_bpe(text, {.vocab_size = 300})}) {
    const TemporaryFolder folder;
    tokenizer.save(folder.path() + "/deep/er");
    const Tokenizer again = Tokenizer::open(folder.path() + "/deep/er");
    EXPECT_EQ(again.kind(), tokenizer.kind());
    EXPECT_EQ(again.vocab_size(), tokenizer.vocab_size());
    EXPECT_EQ(again.end_of_text(), tokenizer.end_of_text());
    EXPECT_EQ(again.encode(text), tokenizer.encode(text));
    EXPECT_EQ(again.decode(again.encode(text)), text);
    EXPECT_EQ(again.json(), tokenizer.json());
  }
}

TEST(Tokenizer, BytesAreTheirOwnIds) {
  const Tokenizer tokenizer = Tokenizer::bytes();
  EXPECT_EQ(tokenizer.vocab_size(), 256);
  EXPECT_EQ(tokenizer.encode("A\xFF\n"), (Ids{65, 255, 10}));
  EXPECT_EQ(tokenizer.decode(Ids{72, 105}), "Hi");
  EXPECT_FALSE(tokenizer.end_of_text().has_value());
}

TEST(Tokenizer, CharactersAreSortedByCodePoint) {
  const Tokenizer tokenizer = Tokenizer::chars("b\xE5\xA4\xA7 a\nb\xC3\xA9");
  EXPECT_EQ(tokenizer.vocab_size(), 6);
  EXPECT_EQ(tokenizer.encode("\n ab\xC3\xA9\xE5\xA4\xA7"), (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tokenizer.token(5), "\xE5\xA4\xA7");
}

TEST(Tokenizer, CharactersSayWhatTheyLackAndWhere) {
  const Tokenizer tokenizer = Tokenizer::chars("abc");
  const auto unknown = error_of(ErrorKind::input, [&] { tokenizer.encode("ab\xC3\xA9"); });
  EXPECT_NE(unknown.find("byte 2"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("'\xC3\xA9' U+00E9"), std::string::npos) << unknown;
  const auto invalid = error_of(ErrorKind::input, [&] { Tokenizer::chars("ab\x80"); });
  EXPECT_NE(invalid.find("byte 2"), std::string::npos) << invalid;
  error_of(ErrorKind::input, [&] { Tokenizer::chars(""); });
}

TEST(Tokenizer, AnIdOutsideTheVocabularyIsAnError) {
  error_of(ErrorKind::input, [] { Tokenizer::bytes().decode(Ids{256}); });
  error_of(ErrorKind::input, [] { Tokenizer::bytes().token(-1); });
}

TEST(Tokenizer, TrainedMergesFollowCountThenLowerIds) {
  // "ab" four times, "cd" four times, then "abcd"? never: a word border stands between.
  const Tokenizer tokenizer =
      Tokenizer::train_bpe("ab cd ab cd ab cd ab cd", {.vocab_size = 261, .special_tokens = {}});
  const Tokenizer::Impl& t = tokenizer.impl();
  ASSERT_EQ(t.bpe->merges().size(), 4u);
  EXPECT_EQ(t.tokens[256], "ab");   // 4: ids of 'a' and 'b' are the lowest
  EXPECT_EQ(t.tokens[257], "cd");   // 4
  EXPECT_EQ(t.tokens[258], " cd");  // 4
  EXPECT_EQ(t.tokens[259], " ab");  // 3, and nothing else occurs twice
  EXPECT_EQ(tokenizer.vocab_size(), 260);
}

TEST(Tokenizer, TrainedVocabularyCompressesAndIsDeterministic) {
  const std::string text = sample_text(400);
  const BpeOptions options{.vocab_size = 400, .special_tokens = {"<|endoftext|>", "<|pad|>"}};
  const Tokenizer tokenizer = Tokenizer::train_bpe(text, options);
  EXPECT_EQ(tokenizer.json(), Tokenizer::train_bpe(text, options).json());
  EXPECT_EQ(tokenizer.end_of_text(), 0);
  const Ids ids = tokenizer.encode(text);
  EXPECT_LT(ids.size() * 2, text.size());
  EXPECT_EQ(tokenizer.decode(ids), text);
  EXPECT_EQ(tokenizer.encode("<|pad|>"), (Ids{1}));
  EXPECT_EQ(tokenizer.decode(Ids{1}), "");
  EXPECT_TRUE(tokenizer.is_special(1));
}

TEST(Tokenizer, TrainingRefusesWhatCannotBe) {
  error_of(ErrorKind::usage, [] { Tokenizer::train_bpe("text", {.vocab_size = 256}); });
  error_of(ErrorKind::usage, [] { Tokenizer::train_bpe("text", {.special_tokens = {"<s>", "<s>"}}); });
  error_of(ErrorKind::usage, [] { Tokenizer::train_bpe("text", {.special_tokens = {""}}); });
}

TEST(Tokenizer, AStreamOfPiecesGivesTheIdsOfTheWhole) {
  const std::string text = sample_text(300000);  // some 9 MB
  ASSERT_GT(text.size(), 8u << 20);
  for (const Tokenizer& tokenizer : {gpt2(), Tokenizer::chars(text)}) {
    Ids ids;
    int pieces = 0;
    encode_stream(tokenizer, text, "", 0, [&](auto part) {
      ids.insert(ids.end(), part.begin(), part.end());
      ++pieces;
    });
    EXPECT_GT(pieces, 1);
    EXPECT_TRUE(ids == tokenizer.encode(text));
  }
}

// However the pieces are cut: within characters, words and added tokens; words of any length.
TEST(Tokenizer, TextsThatComeInPiecesGiveTheIdsOfTheWhole) {
  const std::string text =
      sample_text(20000) + std::string(700'000, 'a') + " <|endoftext|>b " + sample_text(9000);
  Ids ids;
  for (const Tokenizer& tokenizer : {gpt2(), Tokenizer::chars(text), Tokenizer::bytes()}) {
    TextEncoder encoder(tokenizer, [&](auto part) { ids.insert(ids.end(), part.begin(), part.end()); });
    for (const std::size_t step : {9973u, 262144u, 999983u}) {
      ids.clear();
      encoder.begin("text", 0);
      for (std::size_t at = 0; at < text.size(); at += step)
        encoder.add(std::string_view(text).substr(at, step));
      encoder.end();
      EXPECT_TRUE(ids == tokenizer.encode(text)) << step;
    }
  }
}

// A text is cut where its ids do not change, whatever stands there: classes of characters that meet,
// contractions, white space, bytes that are no UTF-8, added tokens and the space that they take along.
TEST(Tokenizer, ACutBetweenWordsChangesNoIds) {
  const std::vector<std::string> parts{"a",  "é",  "大",   "7",    ".",  "'",  "'s",     "'re", " ",
                                       "  ", "\n", "\x80", "\xE5", "b ", " c", "\u0301", "<|",  "|>"};
  std::mt19937 random(5);
  std::size_t cuts = 0;
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += parts[random() % parts.size()];
    std::vector<std::string_view> whole;
    WordCursor words(text);
    for (std::string_view word; words.next(word);) whole.push_back(word);
    for (std::size_t cut = words.border(1); cut < text.size(); cut = words.border(cut + 1), ++cuts) {
      std::vector<std::string_view> both;
      for (const std::string_view part :
           {std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)}) {
        WordCursor cursor(part);
        for (std::string_view word; cursor.next(word);) both.push_back(word);
      }
      ASSERT_EQ(both, whole) << text << " cut at " << cut;
    }
  }
  EXPECT_GT(cuts, 1000u);
}

TEST(Tokenizer, AnAddedTokenReachesAcrossACutWithinIt) {
  const AddedTokens added({{"<a.b>", 0, true}, {"<r>", 1, true, false, false, true}});
  const std::string text = "x<a.b>y<r> z";
  std::vector<std::size_t> across;
  for (std::size_t at = 1; at < text.size(); ++at)
    if (added.reach_across(text, at)) across.push_back(at);
  EXPECT_EQ(across, (std::vector<std::size_t>{2, 3, 4, 5, 8, 9, 10}));
}

// Text without a newline, or without anything that ends a word, is read in the same small pieces.
TEST(Tokenizer, MemoryOfAStreamGrowsWithTheLongestWordOnly) {
  std::string prose, word(3 << 20, 'a');
  while (prose.size() < word.size()) prose += "words of a text in one line, ";
  std::size_t most_ids = 0;
  const auto sink = [&](std::span<const std::int32_t> ids) { most_ids = std::max(most_ids, ids.size()); };
  EXPECT_LT(encode_stream(gpt2(), prose, "", 0, sink), 10'000u);
  EXPECT_EQ(encode_stream(Tokenizer::bytes(), word, "", 0, sink), 0u);
  EXPECT_EQ(encode_stream(Tokenizer::chars(word), word, "", 0, sink), 0u);
  EXPECT_LE(most_ids, 1u << 16);
  EXPECT_GT(encode_stream(gpt2(), word, "", 0, sink), 12 * word.size());
}

TEST(Tokenizer, OneEndlessWordTakesNoQuadraticTime) {
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(gpt2().encode(text).size(), text.size());  // this vocabulary has no "aa"
  const Tokenizer trained = Tokenizer::train_bpe(text, {.vocab_size = 270, .special_tokens = {}});
  EXPECT_EQ(trained.decode(trained.encode(text)), text);
}

std::string opened_with(const std::string& from, const std::string& to) {
  std::string json = gpt2().json();
  const auto at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  json.replace(at, from.size(), to);
  return error_of(ErrorKind::input, [&] { Tokenizer::parse(json, "T"); });
}

TEST(Tokenizer, AFileOfAnotherKindIsRefusedByName) {
  EXPECT_NE(opened_with("\"type\": \"BPE\"", "\"type\": \"Bpe\"").find("model.type"), std::string::npos);
  EXPECT_NE(opened_with("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFX\"}").find("normalizer"),
            std::string::npos);
  EXPECT_NE(opened_with("\"!\": 3", "\"!\": 4").find("id 4"), std::string::npos);
  EXPECT_NE(opened_with("\"!\": 3", "\"!\": 99999999").find("whole number"), std::string::npos);
  EXPECT_NE(opened_with("\"!\": 3", "\"!\": -3").find("whole number"), std::string::npos);
  error_of(ErrorKind::input, [] { Tokenizer::open("no/such/file"); });
}

}  // namespace
}  // namespace hone
