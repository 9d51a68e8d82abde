#include "text/split.hpp"

#include <array>

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

}  // namespace

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

std::size_t WordCursor::word_end(std::size_t at) const {
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

bool WordCursor::next(std::string_view& word) {
  if (at_ == text_.size()) return false;
  const std::size_t end = word_end(at_);
  word = text_.substr(at_, end - at_);
  at_ = end;
  return true;
}

// Runs are of one class, and a space belongs to what stands behind it. An apostrophe may be a contraction's.
std::size_t WordCursor::border(std::size_t from) const {
  std::size_t at = next_character(text_, from), begin = from - 1;
  while (begin > 0 && continues_character(text_[begin])) --begin;
  for (Character before = character_at(begin); at < text_.size();) {
    const Character after = character_at(at);
    const bool broken = after.bytes == 0 || before.bytes != at - begin;  // such bytes are words of their own
    if (broken ||
        (before.kind != after.kind && before.kind != CharacterClass::space && text_[at - 1] != '\''))
      return at;
    before = after;
    begin = at;
    at = next_character(text_, at + 1);
  }
  return text_.size();
}

}  // namespace hone
