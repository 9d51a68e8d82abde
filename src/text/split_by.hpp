// Cutting words where something matches.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/code_points.hpp"
#include "text/json_place.hpp"
#include "text/regex.hpp"
#include "text/stages.hpp"

namespace hone {

// What becomes of the matches.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };
SplitBehavior read_split_behavior(const JsonPlace& at);

struct SplitPart {
  std::size_t begin, end;
  bool matches;
};
// The parts of a text in order, without gaps.
using FindParts = std::function<void(std::string_view text, std::vector<SplitPart>& parts)>;

FindParts characters_in(CodePointSet set);  // each character of it is a match
FindParts parts_of_text(std::string pattern);
FindParts parts_of_regex(std::shared_ptr<const Regex> regex);
FindParts inverted(FindParts find);
// {"String": s} or {"Regex": r}
FindParts read_pattern(const JsonPlace& at);

// Every word is cut; what becomes empty is left out.
PreTokenizer split_words(FindParts find, SplitBehavior behavior);

}  // namespace hone
