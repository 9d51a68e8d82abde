#include "report/text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "hone/error.hpp"

namespace hone {
namespace {

// The length of the well-formed UTF-8 sequence at the front of s, 0 where there is none. Overlong forms,
// surrogates and what is above U+10FFFF are refused by the bounds on the second byte (Unicode, table 3-7).
std::size_t utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || s.size() < n) return 0;
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < n; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return n;
}

// XML allows no U+FFFE and U+FFFF; C1 controls (0xc2 0x80..0x9f) show as nothing.
bool is_shown(std::string_view c) {
  if (c.size() == 1) return c[0] == '\n' || c[0] == '\t' || (c[0] >= 0x20 && c[0] != 0x7f);
  if (c.size() == 2 && c[0] == '\xc2') return static_cast<unsigned char>(c[1]) >= 0xa0;
  return c != "\xef\xbf\xbe" && c != "\xef\xbf\xbf";
}

[[noreturn]] void fail(const std::string& path, int error) {
  throw Error(ErrorKind::failed, {.what = "the file can't be written",
                                  .where = path,
                                  .expected = "",
                                  .found = std::strerror(error),
                                  .hint = ""});
}

}  // namespace

std::size_t text_columns(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (text_columns(text) <= columns) return std::string(text);
  std::size_t end = 0, kept = 0;
  for (; end < text.size(); ++end) {
    const bool starts = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (starts && ++kept == columns) break;
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
    const std::size_t n = utf8_length(text);
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

void write_text_file(const std::string& path, std::string_view text) {
  const std::string part = path + ".tmp";
  std::FILE* f = std::fopen(part.c_str(), "wb");
  if (!f) fail(path, errno);
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), f) == text.size() && std::fflush(f) == 0;
  int error = errno;
  const bool closed = std::fclose(f) == 0;
  if (written && !closed) error = errno;
  if (written && closed) {
    if (std::rename(part.c_str(), path.c_str()) == 0) return;
    error = errno;
  }
  std::remove(part.c_str());
  fail(path, error);
}

}  // namespace hone
