#include "compress/hqq.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/coded.hpp"

namespace hone {
namespace {

// The generalised soft threshold, close to the nearest point of |e|^p: sign(x) max(0, |x| - |x|^(p-1) /
// beta).
float shrunk(float x, float beta, float power) {
  const float size = std::abs(x);
  if (size == 0) return 0;
  return std::copysign(std::max(0.0f, size - std::pow(size, power - 1) / beta), x);
}

double sum_of_errors(const Line& line, std::span<const float> group, std::int64_t levels) {
  double sum = 0;
  for (const float w : group) sum += std::abs(w - line.value(line.code(w, levels)));
  return sum;
}

}  // namespace

Line half_quadratic_line(std::span<const float> group, const Grid& grid, const HqqOptions& o) {
  Line best = whole_range(group, grid);
  if (grid.symmetric || best.scale == 0) return best;
  const std::int64_t levels = grid.levels();
  double least = sum_of_errors(best, group, levels);
  Line line = best;
  float beta = o.beta;
  for (int round = 0; round < o.rounds; ++round, beta *= o.growth) {
    // Errors below it are shrunk to nothing: no power of them is taken.
    const float threshold = std::pow(beta, -1 / (2 - o.power));
    double sum = 0;
    for (const float w : group) {
      const float at = line.scale * static_cast<float>(line.code(w, levels));
      const float error = (w - at - line.minimum) / line.scale;
      const float e = std::abs(error) < threshold ? 0 : line.scale * shrunk(error, beta, o.power);
      sum += static_cast<double>(w) - at - e;
    }
    line.minimum = kernel::as_packed(static_cast<float>(sum / static_cast<double>(group.size())));
    const double now = sum_of_errors(line, group, levels);
    if (now >= least) break;
    least = now, best = line;
  }
  return best;
}

CodedMatrix hqq(std::span<const float> w, std::int64_t rows, std::int64_t columns, const Grid& grid,
                const HqqOptions& options, ThreadPool& pool) {
  CodedMatrix q = lines_of(
      w, rows, columns, grid,
      [&](std::span<const float> group, std::int64_t) { return half_quadratic_line(group, grid, options); },
      pool);
  round_to_lines(w, q, pool);
  return q;
}

}  // namespace hone
