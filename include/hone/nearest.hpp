// "did you mean": the candidate with the fewest edits.
//
//   const std::string meant = hone::nearest("trian", {"train", "plan", "eval"});   // "train"
//   if (!meant.empty()) std::printf("did you mean %s?\n", meant.c_str());
#pragma once
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {
// Empty where there are no candidates.
HONE_API std::string nearest(const std::string& word, const std::vector<std::string>& candidates);
}  // namespace hone
