// Which weights of a model are quantized, to what, and what becomes of the codes: blocks of a store's.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/grid.hpp"
#include "hone/model.hpp"
#include "hone/quantize.hpp"
#include "store/weight_store.hpp"

namespace hone {

// A weight that products or tables read, [rows,columns] as programs keep it.
struct MatrixWeight {
  std::string name;
  std::int64_t rows = 0, columns = 0;
  bool table = false;  // of tokens, or the head: it makes what the network returns
};
// Matrices in the order in which the model reads them first, corrections and tables that are kept
// as cores apart.
std::vector<MatrixWeight> matrices_of(const Model& model);

// A GGUF file has codes of four and of eight bits.
constexpr int fewest_bits(const QuantizeOptions& o) { return o.whole_groups ? 4 : 2; }
// The grid of so many bits (8 are about zero) for rows of so many columns. Groups of 32, 64 and 128 are
// blocks: of the group that was asked for where it divides the columns, else of those at most as wide that
// with the fewest bytes, of equals the narrower one; of whole groups, where those are asked for, the widest
// that divides them. Other groups are as they were asked for, at most a row. None: whole groups of a row that
// 32 does not divide.
std::optional<Grid> grid_of(int bits, std::int64_t columns, const QuantizeOptions& options);
// What programs have a row of so many columns in it as: blocks, or f32 where it has none.
DType type_in_programs(const Grid& grid, std::int64_t columns);
// Bytes of a matrix in it.
std::int64_t coded_bytes(const MatrixWeight& weight, const Grid& grid);

// Blocks, or where no type of them has such groups a tree of components (store/grouped_codes.hpp).
StoredWeight packed(const CodedMatrix& q);
// What that makes of such a matrix, but the values: for whoever asks for types alone.
StoredWeight without_values(const MatrixWeight& weight, const Grid& grid);

}  // namespace hone
