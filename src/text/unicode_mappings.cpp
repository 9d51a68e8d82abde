#include "text/unicode_mappings.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace hone {
namespace {

constexpr std::uint32_t bit(GeneralCategory c) { return 1u << static_cast<unsigned>(c); }

std::vector<CodePointRange> read_ranges(std::string_view table) {
  std::vector<CodePointRange> ranges;
  std::uint32_t end = 0;
  for (PackedNumbers numbers(table); !numbers.at_end();) {
    const std::uint32_t first = end + numbers.next();
    end = first + numbers.next();
    ranges.push_back({first, end - 1});
  }
  return ranges;
}

// A set that is nearly that of some categories: the table has where they differ.
CodePointSet nearly(std::uint32_t categories, std::string_view differences) {
  return CodePointSet::of_categories(categories) ^ CodePointSet(read_ranges(differences));
}

// Runs of (gap, length, value).
template <class Take>
void read_runs(std::string_view table, const Take& take) {
  std::uint32_t end = 0;
  for (PackedNumbers numbers(table); !numbers.at_end();) {
    const std::uint32_t first = end + numbers.next();
    end = first + numbers.next();
    take(first, end, numbers.next());
  }
}

struct LowerCase {
  CodePointMap<std::int32_t> offset;
  std::map<std::uint32_t, std::vector<std::uint32_t>> of;  // characters by their lower case

  LowerCase() {
    std::uint32_t last = 0;
    for (PackedNumbers numbers(lower_case_table); !numbers.at_end();) {
      const std::uint32_t first = last + numbers.next(), count = numbers.next(), step = numbers.next();
      const std::int32_t moved = numbers.next_signed();
      for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t c = first + i * step;
        offset.set(c, moved);
        of[c + static_cast<std::uint32_t>(moved)].push_back(c);
      }
      last = first;
    }
  }
  static const LowerCase& get() {
    static const LowerCase table;
    return table;
  }
};

}  // namespace

std::uint32_t simple_lower_case(std::uint32_t c) {
  return c + static_cast<std::uint32_t>(LowerCase::get().offset[c]);
}

void append_lower_case(std::string& text, std::uint32_t c) {
  if (c == 0x130) {  // the one that becomes two
    text += "i\xCC\x87";
    return;
  }
  append_utf8(text, simple_lower_case(c));
}

CodePointSet with_other_cases(const CodePointSet& set) {
  const LowerCase& lower = LowerCase::get();
  std::vector<CodePointRange> more = set.ranges();
  for (const auto& [small, capitals] : lower.of) {
    const bool here = set.contains(small) || std::any_of(capitals.begin(), capitals.end(),
                                                         [&](std::uint32_t c) { return set.contains(c); });
    if (!here) continue;
    more.push_back({small, small});
    for (const std::uint32_t c : capitals) more.push_back({c, c});
  }
  constexpr std::uint32_t long_s = 0x17F;  // the lower case of S that is not s
  if (set.contains('s') || set.contains('S')) more.push_back({long_s, long_s});
  if (set.contains(long_s)) more.insert(more.end(), {{'s', 's'}, {'S', 'S'}});
  return CodePointSet(std::move(more));
}

bool is_white_space(std::uint32_t c) {
  return c < code_point_limit && UnicodeTable::get().character_class(c) == CharacterClass::space;
}

const CodePointSet& strip_accents_set() {
  using enum GeneralCategory;
  static const CodePointSet set = nearly(bit(Mn) | bit(Mc) | bit(Me), strip_accents_table);
  return set;
}

const CodePointSet& bert_accents_set() {
  static const CodePointSet set = nearly(bit(GeneralCategory::Mn), bert_accents_table);
  return set;
}

const CodePointSet& bert_control_set() {
  using enum GeneralCategory;
  static const CodePointSet set = nearly(bit(Cc) | bit(Cf) | bit(Co), bert_control_table);
  return set;
}

const CodePointSet& punctuation_set() {
  using enum GeneralCategory;
  static const CodePointSet set =
      nearly(bit(Pc) | bit(Pd) | bit(Ps) | bit(Pe) | bit(Pi) | bit(Pf) | bit(Po), punctuation_table);
  return set;
}

// Unicode 17 has thirteen more than the 16 of the categories.
const CodePointSet& numeric_set() {
  using enum GeneralCategory;
  static const CodePointSet set = CodePointSet::of_categories(bit(Nd) | bit(Nl) | bit(No)) |
                                  CodePointSet({{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}});
  return set;
}

const CodePointSet* script_set(std::string_view name) {
  static const std::vector<CodePointSet> sets = [] {
    std::vector<std::vector<CodePointRange>> ranges(script_count);
    read_runs(script_table, [&](auto first, auto end, auto script) {
      ranges[script].push_back({first, end - 1});
    });
    std::vector<CodePointSet> made;
    for (auto& r : ranges) made.emplace_back(std::move(r));
    return made;
  }();
  for (std::size_t i = 0; i < script_count; ++i)
    if (script_names[i] == name) return &sets[i];
  return nullptr;
}

std::uint8_t split_script(std::uint32_t c) {
  static const CodePointMap<std::uint8_t> map = [] {
    CodePointMap<std::uint8_t> made;
    read_runs(split_script_table, [&](auto first, auto end, auto script) {
      for (std::uint32_t at = first; at < end; ++at) made.set(at, static_cast<std::uint8_t>(script));
    });
    return made;
  }();
  return map[c];
}

}  // namespace hone
