#include "text/split.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.hpp"

namespace hone {
namespace {

// 's|'t|'re|'ve|'m|'ll|'d: bytes of the contraction that the text begins with, 0 for none.
std::size_t contraction_bytes(std::string_view text) {
  constexpr std::array<std::string_view, 7> contractions{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (const std::string_view c : contractions)
    if (text.starts_with(c)) return c.size();
  return 0;
}

// The same in any case; the long s is one too.
std::size_t any_case_contraction_bytes(std::string_view text) {
  constexpr std::string_view long_s = "\xC5\xBF";
  char lower[3] = {};
  for (std::size_t i = 0; i < 3 && i < text.size(); ++i)
    lower[i] = static_cast<char>(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
  if (const std::size_t bytes = contraction_bytes({lower, std::min<std::size_t>(3, text.size())}))
    return bytes;
  return text.substr(1).starts_with(long_s) ? 1 + long_s.size() : 0;
}

bool ends_line(char c) { return c == '\r' || c == '\n'; }

}  // namespace

std::optional<WordPattern> known_word_pattern(std::string_view regex) {
  constexpr std::pair<std::string_view, WordPattern> known[] = {
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", WordPattern::gpt2},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       WordPattern::llama3},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       WordPattern::qwen2}};
  for (const auto& [text, pattern] : known)
    if (regex == text) return pattern;
  return std::nullopt;
}

WordCursor::Character WordCursor::character_at(std::size_t at) const {
  if (at >= text_.size()) return {CharacterClass::other, 0};
  const CodePoint c = code_point_at(text_, at);
  return {c.bytes == 0 ? CharacterClass::other : table_.character_class(c.value), c.bytes};
}

std::size_t WordCursor::run_end(std::size_t at, CharacterClass kind) const {
  for (Character c = character_at(at); c.bytes > 0 && c.kind == kind; c = character_at(at)) at += c.bytes;
  return at;
}

// \s+(?!\S)|\s+: the last space is left to the word behind, unless there is none or it is the only one.
std::size_t WordCursor::spaces_end(std::size_t at) const {
  std::size_t end = at, last = at;
  Character c = character_at(at);
  for (; c.bytes > 0 && c.kind == CharacterClass::space; c = character_at(end)) {
    last = end;
    end += c.bytes;
  }
  return c.bytes > 0 && last > at ? last : end;
}

std::size_t WordCursor::gpt2_word_end(std::size_t at) const {
  if (text_[at] == '\'')
    if (const std::size_t bytes = contraction_bytes(text_.substr(at))) return at + bytes;
  Character first = character_at(at);
  if (first.bytes == 0) return at + 1;
  std::size_t begin = at;
  if (text_[at] == ' ') {
    const Character next = character_at(at + 1);
    if (next.bytes > 0 && next.kind != CharacterClass::space) {
      first = next;
      begin = at + 1;
    }
  }
  return first.kind == CharacterClass::space ? spaces_end(at) : run_end(begin, first.kind);
}

std::size_t WordCursor::numbers_end(std::size_t at) const {
  const int most = pattern_ == WordPattern::llama3 ? 3 : 1;
  for (int i = 0; i < most; ++i) {
    const Character c = character_at(at);
    if (c.bytes == 0 || c.kind != CharacterClass::number) break;
    at += c.bytes;
  }
  return at;
}

// \s*[\r\n]+: behind the last end of a line in a run of white space; `at`, if there is none.
std::size_t WordCursor::line_ends_end(std::size_t at) const {
  std::size_t end = at;
  for (Character c = character_at(at); c.bytes > 0 && c.kind == CharacterClass::space; c = character_at(at)) {
    at += c.bytes;
    if (ends_line(text_[at - 1])) end = at;
  }
  return end;
}

std::size_t WordCursor::llama3_word_end(std::size_t at) const {
  using enum CharacterClass;
  if (text_[at] == '\'')
    if (const std::size_t bytes = any_case_contraction_bytes(text_.substr(at, 4))) return at + bytes;
  const Character first = character_at(at);
  if (first.bytes == 0) return at + 1;
  if (first.kind == letter) return run_end(at, letter);
  if (first.kind == number) return numbers_end(at);
  const Character next = character_at(at + first.bytes);
  if (next.bytes > 0 && next.kind == letter && !ends_line(text_[at]))
    return run_end(at + first.bytes, letter);
  const bool behind_space = text_[at] == ' ' && next.bytes > 0 && next.kind == other;
  if (first.kind == other || behind_space) {
    std::size_t end = run_end(at + (behind_space ? 1 : 0), other);
    while (end < text_.size() && ends_line(text_[end])) ++end;
    return end;
  }
  const std::size_t end = line_ends_end(at);
  return end > at ? end : spaces_end(at);
}

bool WordCursor::next(std::string_view& word) {
  if (at_ == text_.size()) return false;
  const std::size_t end = pattern_ == WordPattern::gpt2 ? gpt2_word_end(at_) : llama3_word_end(at_);
  word = text_.substr(at_, end - at_);
  at_ = end;
  return true;
}

// Runs are of one class. In GPT-2's pattern a space belongs to what stands behind it, and an apostrophe may
// be a contraction's; in the others nearly anything may belong to letters behind it, or line ends to it.
bool WordCursor::ends_word(Character before, Character after, std::size_t at) const {
  if (before.kind == after.kind) return false;
  if (pattern_ != WordPattern::gpt2)
    return before.kind == CharacterClass::letter || before.kind == CharacterClass::number;
  return before.kind != CharacterClass::space && text_[at - 1] != '\'';
}

std::size_t WordCursor::border(std::size_t from) const {
  std::size_t at = next_character(text_, from), begin = from - 1;
  while (begin > 0 && continues_character(text_[begin])) --begin;
  for (Character before = character_at(begin); at < text_.size();) {
    const Character after = character_at(at);
    const bool broken = after.bytes == 0 || before.bytes != at - begin;  // such bytes are words of their own
    if (broken || ends_word(before, after, at)) return at;
    before = after;
    begin = at;
    at = next_character(text_, at + 1);
  }
  return text_.size();
}

}  // namespace hone
