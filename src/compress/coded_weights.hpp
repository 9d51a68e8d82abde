// What becomes of a matrix's codes: a weight of a store's.
#pragma once
#include <span>
#include <string>

#include "compress/grid.hpp"
#include "hone/quantize.hpp"
#include "model/coded_matrices.hpp"
#include "store/stored_weight.hpp"

namespace hone {

// A GGUF file has codes of four and of eight bits.
constexpr int fewest_bits(const QuantizeOptions& o) { return o.whole_groups ? 4 : 2; }
inline GroupChoice groups_of(const QuantizeOptions& o) {
  return {o.group, o.symmetric.value_or(false), o.whole_groups};
}

// Error(input) where a scale or a minimum lies beyond f16, in which files keep it.
void require_scales(const std::string& weight, const CodedMatrix& q);
// How many groups have become zeros: their scale would lie below what f16 holds.
std::int64_t vanished_groups(std::span<const float> w, const CodedMatrix& q);

// Blocks, or where no type of them has such groups a tree of components (store/grouped_codes.hpp).
StoredWeight packed(const CodedMatrix& q);
// What that makes of such a matrix, but the values: for whoever asks for types alone.
StoredWeight without_values(const MatrixWeight& weight, const Grid& grid);

}  // namespace hone
