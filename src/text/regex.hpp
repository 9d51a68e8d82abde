// Regular expressions as tokenizer.json files have them: Oniguruma's Ruby syntax (\h is a hexadecimal digit,
// ^ and $ are of lines, brackets nest) over hone's own Unicode tables.
//
//   const Regex pattern(" ?\\p{L}+", "tokenizer.json, pre_tokenizer.pattern");
//   RegexMatches matches(pattern, text);
//   for (RegexMatch m; matches.next(m);) use(text.substr(m.begin, m.end - m.begin));
//
// By hand, because ids hang on it: Debian's PCRE2 is of Unicode 14, where Oniguruma in tokenizers 0.23 is of
// 16, and reads nested brackets, \h and $ otherwise. Not here: references to groups, recursion, conditions;
// they are refused by name. Bytes that are no UTF-8 match nothing.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/code_points.hpp"

namespace hone {

struct RegexMatch {
  std::size_t begin, end;
};

// One step of a matcher; which of the numbers count depends on the kind.
struct RegexStep {
  enum class Kind : std::uint8_t {
    match,     // done
    set,       // one character of sets[set]
    repeat,    // from `least` to `most` of them, as `greed` says
    split,     // first `next`, then `other`
    jump,      // to `next`
    mark,      // remembers the place in register `set`
    progress,  // goes to `next` unless the place is the remembered one
    look,      // the steps from here to `next` match ahead (behind: `least` characters before), or not:
               // `negative`
    atomic,    // the same, and takes what they match without a second thought
    line_begin,
    line_end,
    text_begin,
    text_end,
    text_end_or_newline,
    word_border,
    no_word_border,
    never,
  };
  enum class Greed : std::uint8_t { greedy, lazy, possessive };
  Kind kind{};
  Greed greed{};
  bool negative = false, behind = false;
  std::uint32_t set = 0, least = 0, most = 0, next = 0, other = 0;
};

class Regex {
 public:
  // Error(input) with the place in the pattern for what is wrong or not known.
  Regex(std::string_view pattern, const std::string& where);

  const std::vector<RegexStep>& steps() const { return steps_; }
  const std::vector<CodePointSet>& sets() const { return sets_; }
  std::uint32_t registers() const { return registers_; }

 private:
  friend class RegexCompiler;
  std::vector<RegexStep> steps_;
  std::vector<CodePointSet> sets_;
  std::uint32_t registers_ = 0;
};

// What \w is there: letters, marks, decimal digits, connectors.
const CodePointSet& word_set();
// And in Rust's regular expressions, which some parts of tokenizers ask.
const CodePointSet& rust_word_set();

// Matches from left to right that do not overlap. An empty one is never where the last one ended.
class RegexMatches {
 public:
  RegexMatches(const Regex& regex, std::string_view text);
  bool next(RegexMatch& match);

 private:
  static constexpr std::size_t failed = ~std::size_t{0};
  struct Choice {  // what to try where the present way fails
    enum class Kind : std::uint8_t { go_on, give_back, take_more, restore };
    Kind kind;
    std::uint32_t step;
    std::size_t at, limit;
  };

  std::size_t run(std::uint32_t step, std::size_t at);
  bool retry(std::size_t base, std::uint32_t& step, std::size_t& at);
  bool repeat(const RegexStep& step, std::uint32_t number, std::size_t& at);
  bool look(const RegexStep& step, std::uint32_t number, std::size_t at);
  bool holds(RegexStep::Kind kind, std::size_t at) const;
  std::size_t taken(const CodePointSet& set, std::size_t at) const;  // bytes of the character; 0: not in it
  bool word_at(std::size_t at) const;
  std::size_t before(std::size_t at) const;  // where the character before begins
  void count_step();

  const Regex& regex_;
  std::string_view text_;
  std::size_t at_ = 0, last_end_ = failed;
  std::uint64_t steps_left_;
  std::vector<Choice> choices_;
  std::vector<std::size_t> registers_;
};

}  // namespace hone
