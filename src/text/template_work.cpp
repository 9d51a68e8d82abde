#include "text/template_work.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "hone/error.hpp"

namespace hone::jinja {
namespace {

// "line 3, column 14", counted in characters from 1.
std::string place(std::string_view source, std::size_t offset) {
  const std::string_view before = source.substr(0, std::min(offset, source.size()));
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::string_view line = before.substr(line_begin);
  const auto column = std::count_if(line.begin(), line.end(), [](char c) { return !continues_character(c); });
  return "line " + std::to_string(1 + std::count(before.begin(), before.end(), '\n')) + ", column " +
         std::to_string(1 + column);
}

}  // namespace

void Work::fail(const std::string& what, const std::string& hint) const {
  throw Error(ErrorKind::input, {.what = what, .where = where_ + ", " + place(source_, at_), .hint = hint});
}

void Work::too_much() const { fail("the chat template does not come to an end, or builds too much"); }

}  // namespace hone::jinja
