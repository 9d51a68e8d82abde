// Rounding of weights to a grid of whole-number codes, by groups of a row: w is about scale * code + minimum.
//
//   const Grid grid{.bits = 3, .group = 64};
//   CodedMatrix q = round_to_nearest(w, rows, columns, grid, pool);  // w [rows,columns]
//   std::vector<float> back = q.values();                           // what the codes stand for
//
// Scales and minima are numbers of f16, as files keep them, so that what is weighed here is what is computed
// with later.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "kernel/code_line.hpp"

namespace hone {

using kernel::Grid;
using kernel::Line;
using kernel::whole_range;

struct CodedMatrix {
  std::int64_t rows = 0, columns = 0;
  Grid grid{};
  std::vector<std::uint8_t> codes{};      // [rows,columns]
  std::vector<float> scales{}, minima{};  // [rows,groups()]
  std::int64_t groups() const { return (columns + grid.group - 1) / grid.group; }
  std::vector<float> values() const;  // [rows,columns]
};

// The line with the least error, each value's square weighed by `importance` (none: all alike): ranges that
// are cut at both ends are tried, and scale and minimum fitted to the codes by least squares.
Line best_line(std::span<const float> group, std::span<const float> importance, const Grid& grid);

// One line a group, from each group alone: line_of(group, the row's element that it begins with).
using LineOf = std::function<Line(std::span<const float> group, std::int64_t first)>;
CodedMatrix lines_of(std::span<const float> w, std::int64_t rows, std::int64_t columns, const Grid& grid,
                     const LineOf& line_of, ThreadPool& pool);
enum class LineSearch : std::uint8_t { whole_range, least_error };
CodedMatrix lines_of(std::span<const float> w, std::int64_t rows, std::int64_t columns, const Grid& grid,
                     LineSearch search, ThreadPool& pool, std::span<const float> importance = {});
// The same with each weight at its nearest code.
void round_to_lines(std::span<const float> w, CodedMatrix& q, ThreadPool& pool);
CodedMatrix round_to_nearest(std::span<const float> w, std::int64_t rows, std::int64_t columns,
                             const Grid& grid, ThreadPool& pool);

// The share of w's squares that `other` lacks, weighed by `importance` of a row's elements (none: all alike):
// tr(D H D^T) / tr(W H W^T), where that is the diagonal of H.
double relative_error(std::span<const float> w, std::span<const float> other,
                      std::span<const float> importance = {});

}  // namespace hone
