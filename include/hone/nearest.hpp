// "did you mean": the candidate with the fewest edits.
#pragma once
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {
HONE_API std::string nearest(const std::string& word, const std::vector<std::string>& candidates);  // empty for none
}  // namespace hone
