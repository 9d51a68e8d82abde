#include "kernel/code_line.hpp"

#include <cmath>

#include "kernel/coded.hpp"

namespace hone::kernel {
namespace {

// Not less than it is where f16 has few digits left: a smaller one would cut the largest values off.
float scale_as_packed(float scale) {
  constexpr float smallest_normal = 0x1p-14f, step = 0x1p-24f;
  const float packed = as_packed(scale);
  const bool cuts = std::abs(packed) < std::abs(scale) && std::abs(scale) < smallest_normal;
  return cuts ? packed + std::copysign(step, scale) : packed;
}

Line about_zero(float scale, const Grid& grid) {
  scale = scale_as_packed(scale);
  return {scale, -static_cast<float>(grid.levels() / 2) * scale};
}

float furthest(float low, float high) { return -low > high ? low : high; }

}  // namespace

Line line_over(float low, float high, const Grid& grid) {
  // Codes about zero reach from -2^(b-1) to 2^(b-1)-1 scales: the side that is larger decides, and a negative
  // scale turns the grid where that is the upper one (as ggml's Q4_0 does).
  if (grid.symmetric) return about_zero(furthest(low, high) / -static_cast<float>(grid.levels() / 2), grid);
  return {scale_as_packed((high - low) / static_cast<float>(grid.levels() - 1)), as_packed(low)};
}

Line even_line(float low, float high, const Grid& grid) {
  return about_zero(furthest(low, high) / static_cast<float>(grid.levels() / 2 - 1), grid);
}

double squares_lost(const Line& line, std::span<const float> group, std::int64_t levels,
                    std::span<const float> importance) {
  double sum = 0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const double d = group[i] - line.value(line.code(group[i], levels));
    sum += (importance.empty() ? 1 : importance[i]) * d * d;
  }
  return sum;
}

Line whole_range(std::span<const float> group, const Grid& grid) {
  const auto [low, high] = std::ranges::minmax_element(group);
  const Line line = line_over(*low, *high, grid);
  if (!grid.symmetric || grid.bits > 4) return line;
  const Line even = even_line(*low, *high, grid);
  return squares_lost(even, group, grid.levels()) < squares_lost(line, group, grid.levels()) ? even : line;
}

void round_to(const Line& line, std::span<const float> group, std::int64_t levels, std::span<float> rounded) {
  const auto last = static_cast<float>(levels - 1);
  for (std::size_t i = 0; i < group.size(); ++i)
    rounded[i] = line.scale == 0 ? line.minimum : line.scale * line.nearest(group[i], last) + line.minimum;
}

}  // namespace hone::kernel
