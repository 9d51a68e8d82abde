// The words that byte-level BPE merges within, by GPT-2's pattern
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// and by those of Llama 3 (and cl100k) and Qwen 2, which differ from one another in the \p{N}{1,3}:
//
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
//   |\s*[\r\n]+|\s+(?!\S)|\s+
//
// Written out over hone's own tables of characters. (PCRE2's machine code, with the system's tables, encoded
// 12 MB of English in 0.24 s of a Zen 5 core, and this does in 0.16; Cyrillic 0.18 and 0.16, Chinese 0.23 in
// either.) Words cover the text without gaps; merges never cross a border between two.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include "text/unicode.hpp"

namespace hone {

enum class WordPattern { gpt2, llama3, qwen2 };
// Of the regular expressions above, as files write them.
std::optional<WordPattern> known_word_pattern(std::string_view regex);

// Walks the words of one text. A byte that is not UTF-8 is a word of its own, and ends what stands before it
// as the text's end would.
class WordCursor {
 public:
  explicit WordCursor(std::string_view text, WordPattern pattern = WordPattern::gpt2)
      : text_(text), pattern_(pattern) {}

  bool next(std::string_view& word);  // false at the end

  // The first place at or behind `from`, which is not 0, where a word ends whatever stands further off: the
  // words of text[0, place) and those of text[place, end) are those of the text. Its end, if there is none.
  std::size_t border(std::size_t from) const;

 private:
  struct Character {
    CharacterClass kind;
    std::size_t bytes;  // 0: the text's end, or a byte that is not UTF-8
  };
  Character character_at(std::size_t at) const;
  std::size_t run_end(std::size_t at, CharacterClass kind) const;
  std::size_t spaces_end(std::size_t at) const;
  std::size_t gpt2_word_end(std::size_t at) const;
  std::size_t llama3_word_end(std::size_t at) const;
  std::size_t numbers_end(std::size_t at) const;
  std::size_t line_ends_end(std::size_t at) const;
  bool ends_word(Character before, Character after, std::size_t at) const;

  const UnicodeTable& table_ = UnicodeTable::get();
  std::string_view text_;
  WordPattern pattern_;
  std::size_t at_ = 0;
};

}  // namespace hone
