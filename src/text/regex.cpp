#include "text/regex.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/utf8.hpp"
#include "hone/error.hpp"
#include "text/regex_syntax.hpp"

namespace hone {
namespace {

constexpr std::size_t most_steps = 100'000;

// Characters that the tree always takes; none where that varies.
std::optional<std::uint32_t> fixed_length(const RegexTree& tree) {
  using Kind = RegexTree::Kind;
  std::uint32_t sum = 0;
  std::optional<std::uint32_t> same;
  switch (tree.kind) {
    case Kind::set:
      return 1;
    case Kind::empty:
    case Kind::look:
    case Kind::assertion:
      return 0;
    case Kind::sequence:
    case Kind::atomic:
      for (const RegexTree& part : tree.parts) {
        const auto length = fixed_length(part);
        if (!length) return std::nullopt;
        sum += *length;
      }
      return sum;
    case Kind::choice:
      for (const RegexTree& part : tree.parts) {
        const auto length = fixed_length(part);
        if (!length || (same && *same != *length)) return std::nullopt;
        same = length;
      }
      return same;
    case Kind::repeat: {
      const auto length = fixed_length(tree.parts[0]);
      if (!length || tree.least != tree.most) return std::nullopt;
      return *length * tree.least;
    }
  }
  return std::nullopt;
}

}  // namespace

class RegexCompiler {
 public:
  RegexCompiler(Regex& regex, const std::string& where) : r_(regex), where_(where) {}

  void add(const RegexTree& tree) {
    using Kind = RegexTree::Kind;
    switch (tree.kind) {
      case Kind::empty:
        break;
      case Kind::set:
        put({.kind = Step::set, .set = number_of(tree.set)});
        break;
      case Kind::sequence:
        for (const RegexTree& part : tree.parts) add(part);
        break;
      case Kind::choice:
        add_choice(tree, 0);
        break;
      case Kind::repeat:
        add_repeat(tree);
        break;
      case Kind::look:
        add_look(tree);
        break;
      case Kind::atomic:
        add_inner({.kind = Step::atomic}, tree);
        break;
      case Kind::assertion:
        put({.kind = tree.assertion});
        break;
    }
  }

  std::uint32_t put(RegexStep step) {
    if (r_.steps_.size() == most_steps) refuse("is too long when its repetitions are written out");
    r_.steps_.push_back(step);
    return here() - 1;
  }

 private:
  using Step = RegexStep::Kind;

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::input, {.what = "the regular expression " + what, .where = where_});
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(r_.steps_.size()); }

  std::uint32_t number_of(const CodePointSet& set) {
    r_.sets_.push_back(set);
    return static_cast<std::uint32_t>(r_.sets_.size() - 1);
  }

  void add_choice(const RegexTree& tree, std::size_t first) {
    std::vector<std::uint32_t> jumps;
    for (std::size_t i = first; i < tree.parts.size(); ++i) {
      if (i + 1 == tree.parts.size()) {
        add(tree.parts[i]);
        break;
      }
      const std::uint32_t split = put({.kind = Step::split, .next = here() + 1});
      add(tree.parts[i]);
      jumps.push_back(put({.kind = Step::jump}));
      r_.steps_[split].other = here();
    }
    for (const std::uint32_t jump : jumps) r_.steps_[jump].next = here();
  }

  void add_repeat(const RegexTree& tree) {
    const RegexTree& inside = tree.parts[0];
    if (inside.kind == RegexTree::Kind::set) {
      put({.kind = Step::repeat,
           .greed = tree.greed,
           .set = number_of(inside.set),
           .least = tree.least,
           .most = tree.most});
      return;
    }
    if (tree.greed == RegexStep::Greed::possessive) {
      RegexTree plain = tree;
      plain.greed = RegexStep::Greed::greedy;
      add_inner({.kind = Step::atomic}, {.parts = {std::move(plain)}});
      return;
    }
    for (std::uint32_t i = 0; i < tree.least; ++i) add(inside);
    if (tree.most == regex_no_limit) return add_loop(inside, tree.greed);
    std::vector<std::uint32_t> splits;
    for (std::uint32_t i = tree.least; i < tree.most; ++i) {
      splits.push_back(put({.kind = Step::split}));
      r_.steps_[splits.back()].next = here();
      add(inside);
    }
    for (const std::uint32_t split : splits) leave(split, tree.greed);
  }

  // A split whose `next` goes in: it gets the way out, and which comes first.
  void leave(std::uint32_t split, RegexStep::Greed greed) {
    RegexStep& step = r_.steps_[split];
    step.other = here();
    if (greed == RegexStep::Greed::lazy) std::swap(step.next, step.other);
  }

  void add_loop(const RegexTree& inside, RegexStep::Greed greed) {
    const std::uint32_t split = put({.kind = Step::split, .next = here() + 1});
    const std::uint32_t place = r_.registers_++;
    put({.kind = Step::mark, .set = place});
    add(inside);
    put({.kind = Step::progress, .set = place, .next = split});
    leave(split, greed);
  }

  void add_inner(RegexStep head, const RegexTree& tree) {
    const std::uint32_t step = put(head);
    for (const RegexTree& part : tree.parts) add(part);
    put({.kind = Step::match});
    r_.steps_[step].next = here();
  }

  // Behind, each alternative has a length of its own: (?<=a|bc) is (?:(?<=a)|(?<=bc)), (?<!a|bc) both at
  // once.
  void add_look(const RegexTree& tree) {
    const RegexTree& inside = tree.parts[0];
    RegexStep head{.kind = Step::look, .negative = tree.negative, .behind = tree.behind};
    if (!tree.behind) return add_inner(head, tree);
    if (const auto length = fixed_length(inside)) {
      head.least = *length;
      return add_inner(head, tree);
    }
    if (inside.kind != RegexTree::Kind::choice) refuse("looks behind for a text of no fixed length");
    RegexTree apart{.kind = tree.negative ? RegexTree::Kind::sequence : RegexTree::Kind::choice};
    for (const RegexTree& part : inside.parts) {
      RegexTree one = tree;
      one.parts = {part};
      apart.parts.push_back(std::move(one));
    }
    add(apart);
  }

  Regex& r_;
  const std::string& where_;
};

Regex::Regex(std::string_view pattern, const std::string& where) {
  RegexCompiler compiler(*this, where);
  compiler.add(parse_regex(pattern, where));
  compiler.put({.kind = RegexStep::Kind::match});
}

}  // namespace hone
