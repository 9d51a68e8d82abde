// Rounding one weight after another, each error made good by those that are not rounded yet.
//
//   CodedMatrix q = gptq(w, rows, moments, {.bits = 3, .group = 64}, {}, isa, pool);
//
// Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ", arXiv 2210.17323: with H the moments of a product's input
// and U the upper factor of H^-1 = U^T U, a column's error divided by its U_ii is taken off those behind it
// by U's row. Columns go in the order of falling H_ii ("activation order"); the lines of all groups are fixed
// before, from the weights as they were, so that a group stays a run of a row. In a grid about zero a weight
// that is zero stays so: a pruned model's zeros are its zeros in few bits.
#pragma once
#include <span>

#include "base/thread_pool.hpp"
#include "compress/calibrate.hpp"
#include "compress/grid.hpp"
#include "machine/isa.hpp"

namespace hone {

struct GptqOptions {
  double damping = 0.01;  // of the mean of H's diagonal, added to it
  bool ordered = true;
};

// w [rows, moments.width]. The same codes for any number of threads.
CodedMatrix gptq(std::span<const float> w, std::int64_t rows, const Moments& moments, const Grid& grid,
                 const GptqOptions& options, Isa isa, ThreadPool& pool);

// The mean of the squared error that `other` instead of w makes in a product's results: tr(D H D^T) over
// positions and rows, D their difference.
double output_error(std::span<const float> w, std::span<const float> other, std::int64_t rows,
                    const Moments& moments, Isa isa, ThreadPool& pool);

// H over positions with `damping` of its mean diagonal added, columns in that order, and what follows from
// it. An input that is always zero has a one in its place.
struct ColumnOrder {
  std::vector<std::int64_t> column;  // the one that comes i-th
  std::vector<float> factor;         // U [K,K] of the ordered columns
};
ColumnOrder ordered_columns(const Moments& moments, const GptqOptions& options);

}  // namespace hone
