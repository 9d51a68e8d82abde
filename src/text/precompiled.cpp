#include "text/precompiled.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace hone {
namespace {

std::string from_base64(const JsonPlace& at) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : at.text()) {
    if (c == '=') break;
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos) at.refuse("not base64", std::string(1, c));
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return bytes;
}

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return value;
}

// Units of the Darts-clone double array, https://github.com/s-yata/darts-clone
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & (0x80000000u | 0xFF); }
std::uint32_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

// Whether it belongs to the character before it: Grapheme_Extend and SpacingMark, as far as short graphemes
// go.
bool extends(std::uint32_t c) {
  using enum GeneralCategory;
  constexpr std::array<std::uint32_t, 6> others{0x200C, 0x200D, 0x0E33, 0x0EB3, 0xFF9E, 0xFF9F};
  if (std::find(others.begin(), others.end(), c) != others.end() || (c >= 0x1F3FB && c <= 0x1F3FF))
    return true;
  const GeneralCategory category = UnicodeTable::get().category(c);
  return category == Mn || category == Mc || category == Me;
}

// Numbers' and paragraphs' signs of Arabic and the like stand with the character behind them.
bool prepends(std::uint32_t c) {
  return (c >= 0x600 && c <= 0x605) || c == 0x6DD || c == 0x70F || c == 0x890 || c == 0x891 || c == 0x8E2 ||
         c == 0xD4E || c == 0x110BD || c == 0x110CD;
}

bool is_control(std::uint32_t c) {
  using enum GeneralCategory;
  const GeneralCategory category = UnicodeTable::get().category(c);
  return category == Cc || category == Zl || category == Zp ||
         (category == Cf && !extends(c) && !prepends(c));
}

// Hangul's parts of a syllable and pairs of flags take six bytes or more, and are looked up one by one.
std::size_t grapheme_bytes(std::string_view text, std::size_t at) {
  std::size_t end = at;
  CodePoint c = code_point_at(text, end);
  end += c.bytes;
  if (c.value == '\r' && end < text.size() && text[end] == '\n') return 2;
  if (is_control(c.value)) return c.bytes;
  while (prepends(c.value) && end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (next.bytes == 0 || is_control(next.value)) break;
    end += next.bytes;
    c = next;
  }
  while (end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (next.bytes == 0 || !extends(next.value)) break;
    end += next.bytes;
  }
  return end - at;
}

}  // namespace

CharacterMap::CharacterMap(const JsonPlace& base64) {
  const std::string bytes = from_base64(base64);
  if (bytes.size() < 4) base64.refuse("a table of replacements that is cut short");
  const std::size_t trie = little_endian(bytes, 0);
  if (trie % 4 != 0 || trie > bytes.size() - 4)
    base64.refuse("a table of replacements whose sizes do not agree");
  for (std::size_t i = 0; i < trie; i += 4) units_.push_back(little_endian(bytes, 4 + i));
  texts_ = bytes.substr(4 + trie);
}

const char* CharacterMap::find(std::string_view text) const {
  if (units_.empty()) return nullptr;
  std::size_t node = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) return nullptr;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) return nullptr;
    const std::size_t value = value_of(units_[node]);
    return value < texts_.size() ? texts_.c_str() + value : nullptr;
  }
  return nullptr;
}

std::string CharacterMap::apply(std::string_view text) const {
  constexpr std::size_t whole_below = 6;
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (code_point_at(text, at).bytes == 0) {
      out += text[at++];
      continue;
    }
    const std::size_t end = at + grapheme_bytes(text, at);
    if (end - at < whole_below)
      if (const char* whole = find(text.substr(at, end - at))) {
        out += whole;
        at = end;
        continue;
      }
    while (at < end) {
      const std::size_t bytes = code_point_at(text, at).bytes;
      const char* one = find(text.substr(at, bytes));
      out += one ? std::string_view(one) : text.substr(at, bytes);
      at += bytes;
    }
  }
  return out;
}

}  // namespace hone
