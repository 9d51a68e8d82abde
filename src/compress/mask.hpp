// Which elements of a matrix go, by how much each matters.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hone {

// What goes together: `rows` outputs of one input; or of each `of` inputs of an output exactly half.
struct Pattern {
  const char* name;
  std::int64_t rows = 1, of = 0;
};
std::span<const Pattern> patterns();
const Pattern& pattern_named(const std::string& name);  // Error(usage) that names the nearest

// Scores are [rows,columns], of rows as outputs. 1 stands where an element is kept. A block matters by the
// mean of its elements (the last rows may be a smaller one); of equal scores the first go first.
std::vector<std::uint8_t> kept(std::span<const float> scores, std::int64_t rows, std::int64_t columns,
                               const Pattern& pattern, double sparsity);

}  // namespace hone
