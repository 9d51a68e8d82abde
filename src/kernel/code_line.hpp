// Lines of whole-number codes: what code a number gets, and what the code stands for, scale * code + minimum.
//
//   const Line line = whole_range(group, {.bits = 3, .group = 64});
//   const float back = line.value(line.code(w, 8));
//
// Scales and minima are numbers of f16, as files keep them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>

namespace hone::kernel {

struct Grid {
  int bits = 4;
  std::int64_t group = 64;  // elements of a row that share a scale; a row's last group may be shorter
  // Codes around zero: the minimum is -2^(bits-1) scales, so zero is a code. Else it is a number of its own.
  bool symmetric = false;
  std::int64_t levels() const { return std::int64_t{1} << bits; }
};

struct Line {
  float scale = 0, minimum = 0;
  // The nearest; of two, the even one. Adding 1.5 2^23 and taking it off rounds to a whole number.
  float nearest(float w, float last) const {
    constexpr float whole = 12582912.0f;
    return (std::max(0.0f, std::min(last, (w - minimum) / scale)) + whole) - whole;  // no number: the last
  }
  std::uint8_t code(float w, std::int64_t levels) const {
    return scale == 0 ? std::uint8_t{0}
                      : static_cast<std::uint8_t>(nearest(w, static_cast<float>(levels - 1)));
  }
  float value(std::uint8_t code) const { return scale * static_cast<float>(code) + minimum; }
};

// The line over all of these, for these many levels: from the largest magnitude about zero, or from the
// smallest to the largest value. Round-to-nearest, as the field has it.
Line line_over(float low, float high, const Grid& grid);
// About zero, as far to either side: -2^(b-1)+1 to 2^(b-1)-1 scales, and one more code beyond.
Line even_line(float low, float high, const Grid& grid);
// The squares of what rounding to a line's codes takes from a group, weighed by `importance` (none: alike).
double squares_lost(const Line& line, std::span<const float> group, std::int64_t levels,
                    std::span<const float> importance = {});
// Of both, the one that loses less where 4 bits or fewer are about zero: so {-a, 0, a} stays what it is.
Line whole_range(std::span<const float> group, const Grid& grid);
// What these are once they are rounded to a line's codes.
void round_to(const Line& line, std::span<const float> group, std::int64_t levels, std::span<float> rounded);

}  // namespace hone::kernel
