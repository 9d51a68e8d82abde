#include "text/split_by.hpp"

#include <algorithm>
#include <utility>

#include "base/utf8.hpp"

namespace hone {

SplitBehavior read_split_behavior(const JsonPlace& at) {
  constexpr std::pair<std::string_view, SplitBehavior> names[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous}};
  const std::string name = at.text();
  for (const auto& [known, behavior] : names)
    if (name == known) return behavior;
  at.refuse("a behavior that is not known", at.shown(),
            "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

FindParts characters_in(CodePointSet set) {
  return [set = std::move(set)](std::string_view text, std::vector<SplitPart>& parts) {
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      const std::size_t bytes = std::max<std::size_t>(1, c.bytes);
      if (c.bytes > 0 && set.contains(c.value)) {
        if (plain < at) parts.push_back({plain, at, false});
        parts.push_back({at, at + bytes, true});
        plain = at + bytes;
      }
      at += bytes;
    }
    if (plain < text.size()) parts.push_back({plain, text.size(), false});
  };
}

FindParts parts_of_text(std::string pattern) {
  return [pattern = std::move(pattern)](std::string_view text, std::vector<SplitPart>& parts) {
    std::size_t plain = 0;
    if (!pattern.empty())
      for (std::size_t at = 0; (at = text.find(pattern, plain)) != std::string_view::npos;) {
        if (plain < at) parts.push_back({plain, at, false});
        plain = at + pattern.size();
        parts.push_back({at, plain, true});
      }
    if (plain < text.size()) parts.push_back({plain, text.size(), false});
  };
}

FindParts parts_of_regex(std::shared_ptr<const Regex> regex) {
  return [regex = std::move(regex)](std::string_view text, std::vector<SplitPart>& parts) {
    if (text.empty()) return;
    std::size_t plain = 0;
    RegexMatches matches(*regex, text);
    for (RegexMatch m{}; matches.next(m); plain = m.end) {
      if (plain < m.begin) parts.push_back({plain, m.begin, false});
      parts.push_back({m.begin, m.end, true});
    }
    if (plain < text.size()) parts.push_back({plain, text.size(), false});
  };
}

FindParts inverted(FindParts find) {
  return [find = std::move(find)](std::string_view text, std::vector<SplitPart>& parts) {
    const std::size_t first = parts.size();
    find(text, parts);
    for (std::size_t i = first; i < parts.size(); ++i) parts[i].matches = !parts[i].matches;
  };
}

FindParts read_pattern(const JsonPlace& at) {
  if (const JsonPlace text = at["String"]; !text.is_null()) {
    // No text at all is found between any two characters, as a regular expression has it.
    if (text.text().empty()) return parts_of_regex(std::make_shared<const Regex>("", at.where()));
    return parts_of_text(text.text());
  }
  const JsonPlace regex = at["Regex"];
  if (regex.is_null()) at.refuse("a pattern is {\"String\": ...} or {\"Regex\": ...}", at.shown());
  return parts_of_regex(std::make_shared<const Regex>(regex.text(), regex.where()));
}

namespace {

// Whether a part goes on the one before it, which `previous_matches` tells of.
bool joins(SplitBehavior behavior, bool previous_matches, bool matches) {
  switch (behavior) {
    case SplitBehavior::merged_with_previous:
      return matches && !previous_matches;
    case SplitBehavior::merged_with_next:
      return previous_matches && !matches;
    case SplitBehavior::contiguous:
      return matches == previous_matches;
    default:
      return false;
  }
}

}  // namespace

// Merging with what comes before, HF's MergedWithPrevious asks whether the part before it matched; of several
// matches in a row only the first is merged. With what comes next it goes from the end, to the same effect.
PreTokenizer split_words(FindParts find, SplitBehavior behavior) {
  return [find = std::move(find), behavior](Words& words) {
    std::vector<Word> cut;
    std::vector<SplitPart> parts;
    for (const Word& word : words.all) {
      parts.clear();
      find(words.of(word), parts);
      bool previous = false, open = false;
      for (const SplitPart& part : parts) {
        if (open && joins(behavior, previous, part.matches)) {
          cut.back().end = word.begin + part.end;
        } else if (!(behavior == SplitBehavior::removed && part.matches)) {
          cut.push_back({word.begin + part.begin, word.begin + part.end,
                         part.begin > 0 ? TextPlace{.first = false} : word.place});
          open = true;
        }
        previous = part.matches;
      }
    }
    std::erase_if(cut, [](const Word& word) { return word.begin == word.end; });
    words.all = std::move(cut);
  };
}

}  // namespace hone
