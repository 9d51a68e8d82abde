// A regular expression as a tree, and the reader of its text.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.hpp"

namespace hone {

inline constexpr std::uint32_t regex_no_limit = std::numeric_limits<std::uint32_t>::max();

struct RegexTree {
  enum class Kind { empty, set, sequence, choice, repeat, look, atomic, assertion };
  Kind kind = Kind::empty;
  CodePointSet set{};
  std::vector<RegexTree> parts{};
  std::uint32_t least = 0, most = 0;
  RegexStep::Greed greed{};
  bool negative = false, behind = false;
  RegexStep::Kind assertion{};
};

// The text of a pattern while it is read.
class RegexText {
 public:
  RegexText(std::string_view pattern, std::string where) : pattern_(pattern), where_(std::move(where)) {}

  bool at_end() const { return at_ == pattern_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  bool looking_at(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text);
  std::uint32_t character();  // the next one, whatever it is
  std::uint32_t digits(int base, std::size_t most);
  std::string until(char end);
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::string_view pattern_;
  std::string where_;
  std::size_t at_ = 0;
};

RegexTree parse_regex(std::string_view pattern, const std::string& where);

// "[...]" behind its bracket; with the other case of its characters.
CodePointSet parse_regex_brackets(RegexText& text, bool ignores_case, int depth = 0);
// What a backslash (taken already) stands for, if that is a set of characters: \p{L}, \s, \n, \x41.
bool parse_regex_escape(RegexText& text, CodePointSet& set);

}  // namespace hone
