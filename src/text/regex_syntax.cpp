#include "text/regex_syntax.hpp"

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"
#include "hone/error.hpp"
#include "text/unicode_mappings.hpp"

namespace hone {

bool RegexText::take(std::string_view text) {
  if (!looking_at(text)) return false;
  at_ += text.size();
  return true;
}

std::uint32_t RegexText::character() {
  if (at_end()) refuse("the pattern ends too early");
  const CodePoint c = code_point_at(pattern_, at_);
  at_ += std::max<std::size_t>(1, c.bytes);
  return c.value;
}

std::uint32_t RegexText::digits(int base, std::size_t most) {
  std::uint32_t value = 0;
  std::size_t count = 0;
  for (; count < most && !at_end(); ++count, ++at_) {
    const char c = pattern_[at_];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : base;
    if (digit >= base) break;
    value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  if (count == 0) refuse("a number was expected");
  return value;
}

std::string RegexText::until(char end) {
  const auto stop = pattern_.find(end, at_);
  if (stop == std::string_view::npos) refuse(std::string("'") + end + "' is missing");
  std::string text(pattern_.substr(at_, stop - at_));
  at_ = stop + 1;
  return text;
}

void RegexText::refuse(const std::string& what) const {
  throw Error(ErrorKind::input, {.what = "the regular expression has " + what,
                                 .where = where_ + ", byte " + std::to_string(at_) + " of it",
                                 .found = std::string(pattern_.substr(0, 120))});
}

namespace {

constexpr int deepest_group = 64;
constexpr std::uint32_t most_repeats = 1000;

using Kind = RegexTree::Kind;

RegexTree assertion(RegexStep::Kind kind) { return {.kind = Kind::assertion, .assertion = kind}; }

class Parser {
 public:
  Parser(std::string_view pattern, const std::string& where) : text_(pattern, where) {}

  RegexTree parse() {
    RegexTree tree = alternatives(false, 0);
    if (!text_.at_end()) text_.refuse("a closing parenthesis too many");
    return tree;
  }

 private:
  RegexTree alternatives(bool ignores_case, int depth) {
    if (depth > deepest_group) text_.refuse("groups that nest too deeply");
    RegexTree choice{.kind = Kind::choice};
    do choice.parts.push_back(sequence(ignores_case, depth));
    while (text_.take("|"));
    return choice.parts.size() == 1 ? std::move(choice.parts[0]) : std::move(choice);
  }

  RegexTree sequence(bool& ignores_case, int depth) {
    RegexTree all{.kind = Kind::sequence};
    while (!text_.at_end() && text_.peek() != '|' && text_.peek() != ')') {
      if (spaced_ && skip_space()) continue;
      all.parts.push_back(repeated(atom(ignores_case, depth)));
    }
    return all;
  }

  bool skip_space() {
    if (text_.peek() == '#') {
      while (!text_.at_end() && text_.character() != '\n') {
      }
      return true;
    }
    const bool space = std::string_view(" \t\n\r\f\v").find(text_.peek()) != std::string_view::npos;
    if (space) text_.character();
    return space;
  }

  RegexTree set_of(CodePointSet set, bool ignores_case) {
    return {.kind = Kind::set, .set = ignores_case ? with_other_cases(set) : std::move(set)};
  }

  RegexTree atom(bool& ignores_case, int depth) {
    if (text_.take("(")) return group(ignores_case, depth);
    if (text_.take("[")) return {.kind = Kind::set, .set = parse_regex_brackets(text_, ignores_case)};
    if (text_.take("\\")) return escape(ignores_case);
    if (text_.take(".")) {
      const CodePointSet newline({{'\n', '\n'}});
      return {.kind = Kind::set, .set = dot_is_all_ ? newline | ~newline : ~newline};
    }
    if (text_.take("^")) return assertion(RegexStep::Kind::line_begin);
    if (text_.take("$")) return assertion(RegexStep::Kind::line_end);
    if (std::string_view("*+?").find(text_.peek()) != std::string_view::npos)
      text_.refuse("a repetition of nothing");
    const std::uint32_t c = text_.character();
    return set_of(CodePointSet({{c, c}}), ignores_case);
  }

  RegexTree escape(bool ignores_case) {
    using enum RegexStep::Kind;
    constexpr std::pair<char, RegexStep::Kind> places[] = {{'A', text_begin},
                                                           {'z', text_end},
                                                           {'Z', text_end_or_newline},
                                                           {'b', word_border},
                                                           {'B', no_word_border}};
    for (const auto& [letter, kind] : places)
      if (text_.take(std::string_view(&letter, 1))) return assertion(kind);
    if (text_.take("R")) {  // a line's end, of which \r\n is one
      const CodePointSet ends({{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}});
      RegexTree both{.kind = Kind::sequence,
                     .parts = {set_of(CodePointSet({{'\r', '\r'}}), false),
                               set_of(CodePointSet({{'\n', '\n'}}), false)}};
      return {.kind = Kind::atomic, .parts = {{.kind = Kind::choice, .parts = {both, set_of(ends, false)}}}};
    }
    CodePointSet escaped;
    if (parse_regex_escape(text_, escaped)) return set_of(std::move(escaped), ignores_case);
    const char c = text_.peek();
    if ((c >= '1' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
      text_.refuse(std::string("the escape \\") + c + ", which is not supported");
    const std::uint32_t plain = text_.character();
    return set_of(CodePointSet({{plain, plain}}), ignores_case);
  }

  RegexTree closed(RegexTree inside) {
    if (!text_.take(")")) text_.refuse("a parenthesis without its end");
    return inside;
  }

  RegexTree group(bool& ignores_case, int depth) {
    if (!text_.take("?")) return closed(alternatives(ignores_case, depth + 1));
    const auto look = [&](bool negative, bool behind) {
      RegexTree tree{.kind = Kind::look, .negative = negative, .behind = behind};
      tree.parts.push_back(closed(alternatives(ignores_case, depth + 1)));
      return tree;
    };
    if (text_.take(":")) return closed(alternatives(ignores_case, depth + 1));
    if (text_.take("=")) return look(false, false);
    if (text_.take("!")) return look(true, false);
    if (text_.take("<=")) return look(false, true);
    if (text_.take("<!")) return look(true, true);
    if (text_.take(">"))
      return {.kind = Kind::atomic, .parts = {closed(alternatives(ignores_case, depth + 1))}};
    if (text_.take("#")) {
      text_.until(')');
      return {};
    }
    if (text_.take("<")) {
      text_.until('>');
      return closed(alternatives(ignores_case, depth + 1));
    }
    return options(ignores_case, depth);
  }

  // (?i), (?i:...), (?m-ix:...): m is that a dot takes newlines too.
  RegexTree options(bool& ignores_case, int depth) {
    bool case_here = ignores_case, dot = dot_is_all_, spaced = spaced_, on = true;
    for (;;) {
      if (text_.take("-"))
        on = false;
      else if (text_.take("i"))
        case_here = on;
      else if (text_.take("m"))
        dot = on;
      else if (text_.take("x"))
        spaced = on;
      else
        break;
    }
    const bool outer_dot = std::exchange(dot_is_all_, dot), outer_spaced = std::exchange(spaced_, spaced);
    if (text_.take(")")) {  // to the end of the group around it, alternatives included
      RegexTree rest = alternatives(case_here, depth + 1);
      dot_is_all_ = outer_dot;
      spaced_ = outer_spaced;
      return rest;
    }
    if (!text_.take(":")) text_.refuse("a kind of group that is not supported");
    RegexTree inside = closed(alternatives(case_here, depth + 1));
    dot_is_all_ = outer_dot;
    spaced_ = outer_spaced;
    return inside;
  }

  // {n}, {n,}, {,m}, {n,m}; anything else is a brace as it stands.
  bool counts(std::uint32_t& least, std::uint32_t& most) {
    std::size_t i = 1;
    const auto digits = [&] {
      const std::size_t begin = i;
      while (text_.peek(i) >= '0' && text_.peek(i) <= '9') ++i;
      return i - begin;
    };
    const std::size_t first = digits();
    const bool comma = text_.peek(i) == ',';
    i += comma ? 1 : 0;
    const std::size_t second = comma ? digits() : 0;
    if (text_.peek() != '{' || text_.peek(i) != '}' || first + second == 0) return false;
    text_.take("{");
    least = first > 0 ? text_.digits(10, first) : 0;
    most = !comma ? least : regex_no_limit;
    text_.take(",");
    if (second > 0) most = text_.digits(10, second);
    text_.take("}");
    if (first > 4 || second > 4 || least > most_repeats || (most != regex_no_limit && most > most_repeats))
      text_.refuse("more than " + std::to_string(most_repeats) + " repetitions");
    if (most < least) std::swap(least, most);
    return true;
  }

  RegexTree repeated(RegexTree inside) {
    for (;;) {
      std::uint32_t least = 0, most = regex_no_limit;
      bool counted = false;
      if (text_.take("*"))
        least = 0;
      else if (text_.take("+"))
        least = 1;
      else if (text_.take("?"))
        most = 1;
      else if (counts(least, most))
        counted = true;
      else
        return inside;
      RegexTree tree{.kind = Kind::repeat, .least = least, .most = most};
      if (text_.take("?"))
        tree.greed = RegexStep::Greed::lazy;
      else if (!counted && text_.take("+"))
        tree.greed = RegexStep::Greed::possessive;
      tree.parts.push_back(std::move(inside));
      inside = std::move(tree);
    }
  }

  RegexText text_;
  bool dot_is_all_ = false, spaced_ = false;
};

}  // namespace

RegexTree parse_regex(std::string_view pattern, const std::string& where) {
  return Parser(pattern, where).parse();
}

}  // namespace hone
