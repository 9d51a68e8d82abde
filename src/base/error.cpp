#include "hone/error.hpp"

#include <utility>

#include "base/utf8.hpp"

namespace hone {
namespace {

// Unicode's Cc: C0, DEL, and C1, of which U+009B is to some terminals what ESC [ is.
bool is_control(std::uint32_t character) {
  return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

std::string compose(const ErrorText& t) {
  std::string s;
  if (!t.where.empty()) s += t.where + ": ";
  s += t.what;
  if (!t.expected.empty()) s += ": expected " + t.expected;
  if (!t.found.empty()) s += (t.expected.empty() ? ": found " : ", found ") + t.found;
  if (!t.hint.empty()) s += " (" + t.hint + ")";
  return printable(s);
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const std::size_t bytes = c.bytes ? c.bytes : 1;
    const std::string_view character = text.substr(at, bytes);
    at += bytes;
    if (c.bytes && !is_control(c.value)) {
      out += character;
      continue;
    }
    for (const char byte : character)
      out += {'\\', 'x', digits[static_cast<unsigned char>(byte) >> 4], digits[byte & 15]};
  }
  return out;
}

int exit_code(ErrorKind kind) { return static_cast<int>(kind) + 1; }

Error::Error(ErrorKind kind, ErrorText text)
    : kind_(kind), text_(std::move(text)), message_(compose(text_)) {}
Error::~Error() = default;
Error::Error(const Error&) = default;
Error& Error::operator=(const Error&) = default;

}  // namespace hone
