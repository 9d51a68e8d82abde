// Where an axis has its marks, and what they say.
#pragma once
#include <string>
#include <vector>

namespace hone {

struct Range {
  double low, high;  // finite, low < high
};

struct Tick {
  double at;
  std::string label;
};

// A range that holds [low, high] and has a width: a constant gets room on both sides.
Range widened(double low, double high);

// About `count` marks inside the range at multiples of 1, 2, 2.5 or 5 times a power of ten; `whole`: integers
// only.
std::vector<Tick> linear_ticks(Range range, int count, bool whole);

// The same for a logarithmic axis over positive values: powers of ten, with 2 and 5 times them when few.
std::vector<Tick> log_ticks(Range range, int count);

}  // namespace hone
