// Matches a regular expression by backtracking, with what is left to try on a stack of its own.
#include <algorithm>

#include "base/utf8.hpp"
#include "hone/error.hpp"
#include "text/regex.hpp"

namespace hone {
namespace {

// A pattern of a tokenizer takes some ten steps a byte; one that takes thousands would not end.
constexpr std::uint64_t steps_a_byte = 5000, steps_at_least = 10'000'000;

}  // namespace

RegexMatches::RegexMatches(const Regex& regex, std::string_view text)
    : regex_(regex),
      text_(text),
      steps_left_(steps_at_least + steps_a_byte * text.size()),
      registers_(regex.registers()) {}

bool RegexMatches::next(RegexMatch& match) {
  while (at_ <= text_.size()) {
    const std::size_t end = run(0, at_);
    if (end != failed && !(end == at_ && end == last_end_)) {
      match = {at_, end};
      last_end_ = end;
      at_ = end;
      return true;
    }
    ++at_;
    while (at_ < text_.size() && continues_character(text_[at_])) ++at_;
  }
  return false;
}

void RegexMatches::count_step() {
  if (steps_left_-- == 0)
    throw Error(ErrorKind::input,
                {.what = "a regular expression of the tokenizer tries too many ways to match this text",
                 .where = "byte " + std::to_string(at_)});
}

std::size_t RegexMatches::taken(const CodePointSet& set, std::size_t at) const {
  if (at >= text_.size()) return 0;
  const CodePoint c = code_point_at(text_, at);
  return c.bytes > 0 && set.contains(c.value) ? c.bytes : 0;
}

std::size_t RegexMatches::before(std::size_t at) const {
  std::size_t begin = at - 1;
  while (begin > 0 && at - begin < 4 && continues_character(text_[begin])) --begin;
  return code_point_at(text_, begin).bytes == at - begin ? begin : at - 1;
}

bool RegexMatches::word_at(std::size_t at) const { return taken(word_set(), at) > 0; }

bool RegexMatches::holds(RegexStep::Kind kind, std::size_t at) const {
  using enum RegexStep::Kind;
  const bool begin = at == 0, end = at == text_.size();
  const bool border = (!begin && word_at(before(at))) != word_at(at);
  switch (kind) {
    case line_begin:
      return begin || (text_[at - 1] == '\n' && !end);
    case line_end:
      return end || text_[at] == '\n';
    case text_begin:
      return begin;
    case text_end:
      return end;
    case text_end_or_newline:
      return end || (at + 1 == text_.size() && text_[at] == '\n');
    case word_border:
      return border;
    case no_word_border:
      return !border;
    default:
      return false;
  }
}

// Takes the characters of a repetition, and leaves how many else it could be.
bool RegexMatches::repeat(const RegexStep& step, std::uint32_t number, std::size_t& at) {
  const CodePointSet& set = regex_.sets()[step.set];
  std::uint32_t count = 0;
  std::size_t least_end = at;
  const std::uint32_t most = step.greed == RegexStep::Greed::lazy ? step.least : step.most;
  for (; count < most; ++count) {
    const std::size_t bytes = taken(set, at);
    if (bytes == 0) break;
    at += bytes;
    if (count + 1 == step.least) least_end = at;
  }
  if (count < step.least) return false;
  steps_left_ -= std::min<std::uint64_t>(steps_left_, count / 8);
  if (step.greed == RegexStep::Greed::greedy && at > least_end)
    choices_.push_back({Choice::Kind::give_back, number + 1, at, least_end});
  if (step.greed == RegexStep::Greed::lazy && step.most > step.least)
    choices_.push_back({Choice::Kind::take_more, number, at, count});
  return true;
}

bool RegexMatches::look(const RegexStep& step, std::uint32_t number, std::size_t at) {
  for (std::uint32_t i = 0; i < step.least; ++i) {
    if (at == 0) return step.negative;
    at = before(at);
  }
  return (run(number + 1, at) != failed) != step.negative;
}

// Goes back to the last choice above `base`; false: there is none.
bool RegexMatches::retry(std::size_t base, std::uint32_t& step, std::size_t& at) {
  while (choices_.size() > base) {
    Choice& choice = choices_.back();
    switch (choice.kind) {
      case Choice::Kind::restore:
        registers_[choice.step] = choice.at;
        choices_.pop_back();
        continue;
      case Choice::Kind::go_on:
        step = choice.step;
        at = choice.at;
        choices_.pop_back();
        return true;
      case Choice::Kind::give_back:
        at = choice.at = before(choice.at);
        step = choice.step;
        if (choice.at <= choice.limit) choices_.pop_back();
        return true;
      case Choice::Kind::take_more: {
        const RegexStep& repeated = regex_.steps()[choice.step];
        const std::size_t bytes = taken(regex_.sets()[repeated.set], choice.at);
        if (bytes == 0) {
          choices_.pop_back();
          continue;
        }
        at = choice.at += bytes;
        step = choice.step + 1;
        if (++choice.limit >= repeated.most) choices_.pop_back();
        return true;
      }
    }
  }
  return false;
}

// Where the match of the steps from `step` on ends.
std::size_t RegexMatches::run(std::uint32_t step, std::size_t at) {
  using enum RegexStep::Kind;
  const std::size_t base = choices_.size();
  for (;;) {
    count_step();
    const RegexStep& s = regex_.steps()[step];
    bool good = true;
    switch (s.kind) {
      case match:
        choices_.resize(base);
        return at;
      case set: {
        const std::size_t bytes = taken(regex_.sets()[s.set], at);
        good = bytes > 0;
        at += bytes;
        ++step;
        break;
      }
      case repeat:
        good = this->repeat(s, step, at);
        ++step;
        break;
      case split:
        choices_.push_back({Choice::Kind::go_on, s.other, at, 0});
        step = s.next;
        break;
      case jump:
        step = s.next;
        break;
      case mark:
        choices_.push_back({Choice::Kind::restore, s.set, registers_[s.set], 0});
        registers_[s.set] = at;
        ++step;
        break;
      case progress:
        step = registers_[s.set] == at ? step + 1 : s.next;
        break;
      case RegexStep::Kind::look:
        good = this->look(s, step, at);
        step = s.next;
        break;
      case atomic: {
        const std::size_t end = run(step + 1, at);
        good = end != failed;
        at = end;
        step = s.next;
        break;
      }
      default:
        good = holds(s.kind, at);
        ++step;
        break;
    }
    if (!good && !retry(base, step, at)) return failed;
  }
}

}  // namespace hone
