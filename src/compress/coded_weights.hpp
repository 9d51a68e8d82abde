// What becomes of a matrix's codes: a weight of a store's.
#pragma once
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

// Blocks, or where no type of them has such groups a tree of components (store/grouped_codes.hpp).
StoredWeight packed(const CodedMatrix& q);
// What that makes of such a matrix, but the values: for whoever asks for types alone.
StoredWeight without_values(const MatrixWeight& weight, const Grid& grid);

}  // namespace hone
