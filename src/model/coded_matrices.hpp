// Which weights of a model have codes where it is quantized, and in what groups.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "ir/type.hpp"
#include "kernel/code_line.hpp"

namespace hone {

using kernel::Grid;

// A weight that products or tables read, [rows,columns] as programs keep it.
struct MatrixWeight {
  std::string name;
  std::int64_t rows = 0, columns = 0;
  bool table = false;  // of tokens, or the head: it makes what the network returns
};
// Matrices in the order in which the model reads them first, corrections and tables that are kept
// as cores apart.
std::vector<MatrixWeight> matrices_of(const Model& model);

struct GroupChoice {
  std::int64_t group = 64;  // below 0: a whole row
  bool symmetric = false;
  bool whole_groups = false;  // as QuantizeOptions has it
};
// The grid of so many bits (8 are about zero) for rows of so many columns. Groups of 32, 64 and 128 are
// blocks: of the group that was asked for where it divides the columns, else of those at most as wide that
// with the fewest bytes, of equals the narrower one; of whole groups, where those are asked for, the widest
// that divides them. Other groups are as they were asked for, at most a row. None: whole groups of a row that
// 32 does not divide.
std::optional<Grid> grid_of(int bits, std::int64_t columns, const GroupChoice& choice);
bool is_block(std::int64_t group);  // of some type
// Have its codes no minimum, where there is such a type?
bool is_about_zero(const Grid& grid);
// What programs have a row of so many columns in it as: blocks, or f32 where it has none.
DType type_in_programs(const Grid& grid, std::int64_t columns);
// Bytes of a matrix in it.
std::int64_t coded_bytes(const MatrixWeight& weight, const Grid& grid);

}  // namespace hone
