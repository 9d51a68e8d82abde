// What kernel/gemm.cpp hands to the loops of gemm*.cpp, which are compiled once per instruction set.
//
// A unit is 32 bits: one f32, or with AVX-512 BF16 a pair of bf16 that are neighbours along the summed
// dimension. A tile is tile_rows x panel_columns results held in registers. Panels are the packed operand on
// the vector side: [units][width], width = panel_columns, in the last panel the rest rounded up to a vector.
// Only plain data crosses: an inline function shared with a wide instruction set could be linked into code
// for a narrow one.
#pragma once
#include <cstdint>

#include "kernel/gemm.hpp"

namespace hone::kernel {

// A task of Gemm: some rows times at most block_columns columns.
struct GemmBlock {
  std::int64_t first_row, rows, first_column, columns;
  std::int64_t k_block;     // elements of k packed at once; even
  std::uint32_t* panels;    // [min(K, k_block) in units][block_columns]
  std::uint32_t* row_copy;  // [tile_rows][min(K, k_block) in units, + row_copy_slack]
  float* partial;           // tiles of [tile_rows][width]: one row of tiles, or all where K exceeds k_block
};
constexpr std::int64_t row_copy_slack = 16;

// A task of WeightGradient's first phase: columns of one operand in one piece, packed by panels of `width`.
struct PackPiece {
  In matrix;  // from the piece's first row
  std::int64_t stride, positions;
  std::int64_t first_column, columns, all_columns;  // first_column is a multiple of lanes and of the width
  bool broadcast_side;                              // panels of tile_rows (dY) or of panel_columns (X)
  std::uint32_t* out;                               // of the whole piece
};

// A task of its second phase: a tile of dW through all pieces.
struct WeightTile {
  const WeightGradient* gradient;
  std::int64_t first_row, rows, first_column, columns;  // of dW; multiples of tile_rows, panel_columns
  const std::uint32_t* dy;                              // packed; a piece takes units * dy_columns
  const std::uint32_t* x;
  std::int64_t dy_columns, x_columns;  // padded
};

struct GemmTable {
  std::int64_t tile_rows, lanes, panel_columns, block_columns;
  std::int64_t bf16_pair;  // bf16 in a unit
  void (*multiply_block)(const Gemm&, const GemmBlock&);
  void (*pack_piece)(const PackPiece&);
  void (*weight_tile)(const WeightTile&);
};

namespace portable {
extern const GemmTable gemm_table;
}
namespace avx2 {
extern const GemmTable gemm_table;
}
namespace avx512 {
extern const GemmTable gemm_table;
}

}  // namespace hone::kernel
