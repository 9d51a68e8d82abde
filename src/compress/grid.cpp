#include "compress/grid.hpp"

#include <algorithm>
#include <limits>

#include "kernel/coded.hpp"

namespace hone {
namespace {

// Scale and minimum of the least weighted square for the codes that the line gives.
Line fitted(const Line& line, std::span<const float> group, std::span<const float> importance,
            const Grid& grid) {
  double n = 0, c1 = 0, c2 = 0, w1 = 0, wc = 0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const double h = importance.empty() ? 1 : importance[i], w = group[i];
    const double c = line.code(group[i], grid.levels()) - (grid.symmetric ? grid.levels() / 2 : 0);
    n += h, c1 += h * c, c2 += h * c * c, w1 += h * w, wc += h * w * c;
  }
  if (grid.symmetric) {
    if (c2 <= 0) return line;
    const float scale = kernel::as_packed(static_cast<float>(wc / c2));
    return {scale, -static_cast<float>(grid.levels() / 2) * scale};
  }
  const double determinant = n * c2 - c1 * c1;
  if (determinant <= 1e-12 * n * c2) return line;
  const double scale = (n * wc - c1 * w1) / determinant;
  return {kernel::as_packed(static_cast<float>(scale)),
          kernel::as_packed(static_cast<float>((w1 - scale * c1) / n))};
}

}  // namespace

std::vector<float> CodedMatrix::values() const {
  std::vector<float> all(codes.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const auto at = static_cast<std::size_t>(r * columns + c);
      const auto g = static_cast<std::size_t>(r * groups() + c / grid.group);
      all[at] = Line{scales[g], minima[g]}.value(codes[at]);
    }
  return all;
}

Line best_line(std::span<const float> group, std::span<const float> importance, const Grid& grid) {
  const auto [low, high] = std::ranges::minmax_element(group);
  Line best = whole_range(group, grid);
  double least = kernel::squares_lost(best, group, grid.levels(), importance);
  const auto take = [&](const Line& line) {
    const double error = kernel::squares_lost(line, group, grid.levels(), importance);
    if (error < least) least = error, best = line;
  };
  const auto take_fitted = [&](Line line) {
    for (int again = 0; again < 2; ++again) take(line), line = fitted(line, group, importance, grid);
    take(line);
  };
  if (grid.symmetric) take_fitted(kernel::even_line(*low, *high, grid));
  // Of values on one side of zero both ends are cut; else what is cut is as far from zero as it reaches.
  const bool one_sided = !grid.symmetric && (*low > 0 || *high < 0);
  const float middle = one_sided ? (*low + *high) / 2 : 0;
  constexpr int cuts = 12;
  for (int i = 0; i < cuts; ++i) {
    const float share = 1 - 0.05f * static_cast<float>(i);
    take_fitted(kernel::line_over(middle + (*low - middle) * share, middle + (*high - middle) * share, grid));
  }
  return best;
}

CodedMatrix lines_of(std::span<const float> w, std::int64_t rows, std::int64_t columns, const Grid& grid,
                     const LineOf& line_of, ThreadPool& pool) {
  CodedMatrix q{.rows = rows, .columns = columns, .grid = grid};
  q.codes.resize(w.size());
  q.scales.resize(static_cast<std::size_t>(rows * q.groups()));
  q.minima.resize(q.scales.size());
  pool.run(rows, [&](std::int64_t r, int) {
    for (std::int64_t g = 0; g < q.groups(); ++g) {
      const std::int64_t first = g * grid.group;
      const auto count = static_cast<std::size_t>(std::min(grid.group, columns - first));
      const Line line = line_of(w.subspan(static_cast<std::size_t>(r * columns + first), count), first);
      const auto at = static_cast<std::size_t>(r * q.groups() + g);
      q.scales[at] = line.scale, q.minima[at] = line.minimum;
    }
  });
  return q;
}

CodedMatrix lines_of(std::span<const float> w, std::int64_t rows, std::int64_t columns, const Grid& grid,
                     LineSearch search, ThreadPool& pool, std::span<const float> importance) {
  return lines_of(
      w, rows, columns, grid,
      [&](std::span<const float> group, std::int64_t first) {
        if (search == LineSearch::whole_range) return whole_range(group, grid);
        const auto from = static_cast<std::size_t>(first);
        return best_line(group, importance.empty() ? importance : importance.subspan(from, group.size()),
                         grid);
      },
      pool);
}

void round_to_lines(std::span<const float> w, CodedMatrix& q, ThreadPool& pool) {
  pool.run(q.rows, [&](std::int64_t r, int) {
    for (std::int64_t c = 0; c < q.columns; ++c) {
      const auto at = static_cast<std::size_t>(r * q.columns + c);
      const auto g = static_cast<std::size_t>(r * q.groups() + c / q.grid.group);
      q.codes[at] = Line{q.scales[g], q.minima[g]}.code(w[at], q.grid.levels());
    }
  });
}

CodedMatrix round_to_nearest(std::span<const float> w, std::int64_t rows, std::int64_t columns,
                             const Grid& grid, ThreadPool& pool) {
  CodedMatrix q = lines_of(w, rows, columns, grid, LineSearch::whole_range, pool);
  round_to_lines(w, q, pool);
  return q;
}

double relative_error(std::span<const float> w, std::span<const float> other,
                      std::span<const float> importance) {
  double lost = 0, all = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double weight = importance.empty() ? 1 : importance[i % importance.size()],
                 d = static_cast<double>(w[i]) - other[i];
    lost += weight * d * d, all += weight * w[i] * w[i];
  }
  return all > 0 ? lost / all : 0;
}

}  // namespace hone
