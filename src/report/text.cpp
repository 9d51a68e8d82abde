#include "report/text.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/utf8.hpp"

namespace hone {
namespace {

// XML allows no U+FFFE and U+FFFF; C1 controls (0xc2 0x80..0x9f) show as nothing.
bool is_shown(std::string_view c) {
  if (c.size() == 1) return c[0] == '\n' || c[0] == '\t' || (c[0] >= 0x20 && c[0] != 0x7f);
  if (c.size() == 2 && c[0] == '\xc2') return static_cast<unsigned char>(c[1]) >= 0xa0;
  return c != "\xef\xbf\xbe" && c != "\xef\xbf\xbf";
}

}  // namespace

std::size_t text_columns(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += !continues_character(c);
  return n;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (text_columns(text) <= columns) return std::string(text);
  std::size_t end = 0, kept = 0;
  for (; end < text.size(); ++end) {
    if (!continues_character(text[end]) && ++kept == columns) break;
  }
  return std::string(text.substr(0, end)) + "\u2026";
}

std::string with_commas(double n) {
  std::string s = fmt::format("{:.0f}", std::abs(n));
  for (int i = static_cast<int>(s.size()) - 3; i > 0; i -= 3) s.insert(static_cast<std::size_t>(i), 1, ',');
  return n < 0 && s != "0" ? fmt::format("-{}", s) : s;
}

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  while (!text.empty()) {
    const std::size_t n = code_point_at(text, 0).bytes;
    const auto c = text.substr(0, n ? n : 1);
    text.remove_prefix(c.size());
    if (n == 0 || !is_shown(c)) {
      out += "\xef\xbf\xbd";
    } else if (c == "&") {
      out += "&amp;";
    } else if (c == "<") {
      out += "&lt;";
    } else if (c == ">") {
      out += "&gt;";
    } else if (c == "\"") {
      out += "&quot;";
    } else if (c == "'") {
      out += "&#39;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace hone
