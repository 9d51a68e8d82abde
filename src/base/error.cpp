#include "hone/error.hpp"

#include <utility>

namespace hone {
namespace {

std::string compose(const ErrorText& t) {
  std::string s;
  if (!t.where.empty()) s += t.where + ": ";
  s += t.what;
  if (!t.expected.empty()) s += ": expected " + t.expected;
  if (!t.found.empty()) s += (t.expected.empty() ? ": found " : ", found ") + t.found;
  if (!t.hint.empty()) s += " (" + t.hint + ")";
  return s;
}

}  // namespace

int exit_code(ErrorKind kind) { return static_cast<int>(kind) + 1; }

Error::Error(ErrorKind kind, ErrorText text)
    : kind_(kind), text_(std::move(text)), message_(compose(text_)) {}
Error::~Error() = default;
Error::Error(const Error&) = default;
Error& Error::operator=(const Error&) = default;

}  // namespace hone
