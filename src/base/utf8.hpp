// UTF-8 as the Unicode standard defines it: no surrogates, nothing above U+10FFFF, shortest forms only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hone {

struct CodePoint {
  std::uint32_t value;
  std::size_t bytes;  // 0: not valid here
};

// The code point that begins at text[at]; at < text.size().
inline CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  if (lead >= 0xC2 && lead < 0xE0 && tail(1)) return {((lead & 31) << 6) | (byte(1) & 63), 2};
  if (lead >= 0xE0 && lead < 0xF0 && tail(1) && tail(2)) {
    const std::uint32_t value = ((lead & 15) << 12) | ((byte(1) & 63) << 6) | (byte(2) & 63);
    if (value >= 0x800 && (value < 0xD800 || value > 0xDFFF)) return {value, 3};
  }
  if (lead >= 0xF0 && lead < 0xF5 && tail(1) && tail(2) && tail(3)) {
    const std::uint32_t value =
        ((lead & 7) << 18) | ((byte(1) & 63) << 12) | ((byte(2) & 63) << 6) | (byte(3) & 63);
    if (value >= 0x10000 && value <= 0x10FFFF) return {value, 4};
  }
  return {lead, 0};
}

// Bytes of what is broken at text[at]: as much of a character as is there, at least one. The Unicode
// standard's advice on where U+FFFD goes ("maximal subparts"), which Rust and Python follow.
inline std::size_t broken_bytes(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t wanted = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : 1;
  const auto second = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0;
  const int least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const int most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (wanted == 1 || second < least || second > most) return 1;
  std::size_t bytes = 2;
  while (bytes + 1 < wanted && at + bytes < text.size() &&
         (static_cast<unsigned char>(text[at + bytes]) & 0xC0u) == 0x80u)
    ++bytes;
  return bytes;
}

inline bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = code_point_at(text, at).bytes;
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

inline void append_utf8(std::string& text, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 63));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 63));
    put(0x80 | ((c >> 6) & 63));
  }
  put(0x80 | (c & 63));
}

inline bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

// The first place at or behind `at` where a character may begin.
inline std::size_t next_character(std::string_view text, std::size_t at) {
  while (at < text.size() && continues_character(text[at])) ++at;
  return at;
}

// How many bytes of the text's start are whole characters: what is left may become one with the bytes to
// come.
inline std::size_t whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0u) == 0x80u) continue;  // inside a character: its first byte stands further ahead
    const std::size_t length = byte >= 0xF0 && byte < 0xF5   ? 4
                               : byte >= 0xE0 && byte < 0xF0 ? 3
                               : byte >= 0xC2 && byte < 0xE0 ? 2
                                                             : 1;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

}  // namespace hone
