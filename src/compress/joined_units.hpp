// A layer's units, heads or channels, as the product that joins them sees them: what each adds to what the
// product makes, and how those that stay make good what goes.
//
//   const Joined joined{weight, rows, columns, 64, &moments};     // 64 columns a head
//   const std::vector<std::int64_t> heads = largest(joined, 4);
//   const std::vector<float> changed = made_good(joined, heads);  // zero in the columns of other heads
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "compress/calibrate.hpp"

namespace hone {

// Unit u is columns [u width, (u + 1) width).
struct Joined {
  std::span<const float> weight;  // [rows,columns]
  std::int64_t rows, columns, width;
  const Moments* moments = nullptr;  // none: all inputs alike

  double moment(std::int64_t i, std::int64_t j) const {
    return moments ? static_cast<double>(moments->at(i, j)) : i == j ? 1.0 : 0.0;
  }
};

// The mean square of what each unit adds, up to the number of positions: tr(W_u H_uu W_u^T), over its
// columns.
std::vector<double> energies(const Joined& joined);
// Numbers of the largest values, in their order.
std::vector<std::int64_t> largest(const std::vector<double>& values, std::int64_t count);
// Of the units that add most.
std::vector<std::int64_t> largest(const Joined& joined, std::int64_t count);
// The weight that from the inputs that stay makes most nearly what W made of all: W H_:S H_SS^-1, zero
// elsewhere.
std::vector<float> made_good(const Joined& joined, const std::vector<std::int64_t>& units);

}  // namespace hone
