// Which elements of a matrix go, by how much each matters.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hone {

// What goes together: `rows` outputs of one input; or of each `of` inputs of an output exactly half.
struct Pattern {
  const char* name = "unstructured";
  std::int64_t rows = 1, of = 0;
};
// How much of a matrix goes, in which shape.
struct Sparsity {
  Pattern pattern{};
  double share = 0;
};
const Pattern* find_pattern(const std::string& name);  // null where there is none
// Error(usage) for a pattern that there is not, and for a share that it cannot have: one of halves has 0.5,
// or `on_the_way` there less. `known`: all names that a caller takes, for the hint.
Sparsity sparsity_of(const std::string& pattern, double share, const std::vector<std::string>& known,
                     bool on_the_way = false);
std::vector<std::string> pattern_names();

// 0 where the lesser half of the scores is, rounded down; of a few.
void drop_half(std::span<const float> scores, std::span<std::uint8_t> mask);

// Scores are [rows,columns], of rows as outputs. 1 stands where an element is kept. A block matters by the
// mean of its elements (the last rows may be a smaller one); of equal scores the first go first. Of halves, a
// share below 0.5 is that of those which matter least: the others are whole.
std::vector<std::uint8_t> kept(std::span<const float> scores, std::int64_t rows, std::int64_t columns,
                               const Pattern& pattern, double sparsity);

}  // namespace hone
