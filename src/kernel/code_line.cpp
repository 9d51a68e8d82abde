#include "kernel/code_line.hpp"

#include "kernel/coded.hpp"

namespace hone::kernel {

Line line_over(float low, float high, const Grid& grid) {
  const auto steps = static_cast<float>(grid.levels() - 1);
  if (grid.symmetric) {
    // Codes reach from -2^(b-1) to 2^(b-1)-1 scales: the side that is larger decides, and a negative scale
    // turns the grid where that is the upper one (as ggml's Q4_0 does).
    const float half = static_cast<float>(grid.levels() / 2), most = -low > high ? low : high;
    const float scale = as_packed(most / -half);
    return {scale, -half * scale};
  }
  low = std::min(low, 0.0f), high = std::max(high, 0.0f);
  return {as_packed((high - low) / steps), as_packed(low)};
}

Line whole_range(std::span<const float> group, const Grid& grid) {
  const auto [low, high] = std::ranges::minmax_element(group);
  return line_over(*low, *high, grid);
}

void round_to(const Line& line, std::span<const float> group, std::int64_t levels, std::span<float> rounded) {
  const auto last = static_cast<float>(levels - 1);
  for (std::size_t i = 0; i < group.size(); ++i)
    rounded[i] = line.scale == 0 ? line.minimum : line.scale * line.nearest(group[i], last) + line.minimum;
}

}  // namespace hone::kernel
