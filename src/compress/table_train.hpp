// A table [V,C] as a tensor train: TT-SVD (Oseledets, "Tensor-Train Decomposition", 2011) of the table seen
// as [v_1 c_1, v_2 c_2, ..], where rows behind the last are zeros.
//
//   const CoreSizes shape = core_sizes(V, C);
//   TableSpectra spectra(table, V, C, shape);
//   const std::vector<TableCore> cores = spectra.cores(spectra.ranks_within(numbers));
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/linear_algebra.hpp"
#include "ir/type.hpp"

namespace hone {

struct CoreSizes {
  std::vector<std::int64_t> rows{}, columns{};  // of each core, two or three of them
  std::size_t count() const { return rows.size(); }
  std::int64_t size(std::size_t k) const { return rows[k] * columns[k]; }
  // Numbers of the cores with these ranks between them.
  std::int64_t numbers(const std::vector<std::int64_t>& ranks) const;
};
// Three cores about as large: rows near the third root of V, with few to fill up, and the three factors of C
// that are nearest to each other, the largest in the middle.
CoreSizes core_sizes(std::int64_t V, std::int64_t C);
// The product of two matrices.
CoreSizes low_rank_sizes(std::int64_t V, std::int64_t C);

struct TableCore {
  Shape shape;  // [rows,left,columns,right]
  std::vector<float> values;
};

// What each cut between cores has, of a table in that shape.
class TableSpectra {
 public:
  TableSpectra(std::span<const float> table, std::int64_t V, std::int64_t C, CoreSizes shape);

  std::vector<std::int64_t> most_ranks() const;  // with which nothing is lost
  // Those that lose least by the bound of TT-SVD, the sum of what each cut leaves out; none where not even
  // ranks of 1 are within it.
  std::optional<std::vector<std::int64_t>> ranks_within(std::int64_t numbers) const;
  double lost(const std::vector<std::int64_t>& ranks) const;  // at most, as a share of the squares
  std::vector<TableCore> cores(const std::vector<std::int64_t>& ranks) const;

 private:
  double left_out(std::size_t cut, std::int64_t rank) const;

  CoreSizes shape_;
  std::vector<float> values_;  // [size(0), size(1), ..]
  Spectrum first_;             // of the first cut
  double squares_ = 0;
  std::vector<std::vector<double>>
      kept_;  // of each cut, by rank: squares that the first so many directions have
};

}  // namespace hone
