#include "text/word_counts.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/utf8.hpp"
#include "text/bpe_trainer.hpp"

namespace hone {
namespace {

struct Counted {
  std::map<std::string, std::int64_t> words;
  std::int64_t added;
  bool operator==(const Counted&) const = default;
};

Counted counted(std::string_view text, std::size_t step, std::size_t piece_bytes) {
  WordCounts counts(AddedTokens({{"<|end of it|>", 0, true}, {"\n#", 1, true}}), piece_bytes);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = next_character(text, std::min(at + step, text.size()));
    counts.add(text.substr(at, end - at));
    at = end;
  }
  counts.finish();
  Counted result{{}, counts.added_tokens()};
  counts.take_each([&](std::string_view word, std::int64_t n) { result.words[std::string(word)] += n; });
  return result;
}

// Words and white space of many kinds, tokens, bytes that are no UTF-8, a word that is longer than the
// pieces.
std::string text_of_all_kinds() {
  constexpr const char* parts[] = {
      "the",   " king's",       "  two", "\tna\xC3\xAFve", " 1234",        "...", "\n", " \n", "\r\n",
      "we'll", "<|end of it|>", "\n#",   "\xFF",           "\xE5\xA4\xA7", "'",   " x"};
  std::string text;
  std::uint32_t state = 1;
  for (int i = 0; i < 4000; ++i) {
    state = state * 1664525u + 1013904223u;
    text += parts[state >> 28];
    if (i == 2000) text += std::string(300, 'w');
  }
  return text;
}

TEST(WordCounts, OfPiecesAreThoseOfTheWhole) {
  const std::string text = text_of_all_kinds();
  const Counted whole = counted(text, text.size(), text.size());
  EXPECT_GT(whole.added, 100);
  EXPECT_GT(whole.words.size(), 50u);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{16}, std::size_t{64}})
    EXPECT_EQ(counted(text, step, 2 * step), whole) << step;
}

TEST(BpeTrainer, CountsTheTokensOfItsText) {
  const std::string text = text_of_all_kinds();
  BpeTrainer trainer({.vocab_size = 300, .special_tokens = {"<|end of it|>"}});
  trainer.add(text);
  const Tokenizer tokenizer = trainer.finish();
  EXPECT_EQ(trainer.tokens(), std::ssize(tokenizer.encode(text)));
}

}  // namespace
}  // namespace hone
