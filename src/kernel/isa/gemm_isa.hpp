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
#include "machine/builds.hpp"

namespace hone::kernel {

// A task of Gemm: some rows times some columns.
struct GemmBlock {
  std::int64_t first_row, rows, first_column, columns;
  std::int64_t most_columns;  // of any task: what places in the scratch go by
  std::int64_t k_block;       // elements of k packed at once; even
  std::uint32_t* panels;      // [panel_columns][min(K, k_block) in units] + panel_gap, for most_columns
  std::uint32_t* row_copy;    // [tile_rows][min(K, k_block) in units, + row_copy_slack]
  float* partial;             // tiles of [tile_rows][width]: one row of tiles, or all where K exceeds k_block
};
constexpr std::int64_t row_copy_slack = 16;
// Behind a panel, in units: whole KB apart they would all lie in one set of the first-level cache.
constexpr std::int64_t panel_gap = 16;

// A task of WeightGradient: a tile of dW through all pieces, each packed into the worker's scratch first; of
// short sequences, which are a piece each, some together.
struct WeightTile {
  const WeightGradient* gradient;
  std::int64_t first_row, rows, first_column, columns;  // of dW
  std::uint32_t* dy_panels;        // [tile_rows][units of a piece] + panel_gap, for rows rounded up to lanes
  std::uint32_t* x_panels;         // [panel_columns][units of a piece] + panel_gap
  std::int64_t together;           // pieces
  std::int64_t dy_units, x_units;  // from one piece's panels to the next one's
};

struct GemmTable {
  std::int64_t tile_rows, lanes, panel_columns;
  std::int64_t fewest_panels;  // of a block of columns
  std::int64_t bf16_pair;      // bf16 in a unit
  void (*multiply_block)(const Gemm&, const GemmBlock&);
  void (*weight_tile)(const WeightTile&);
};

HONE_BUILDS(GemmTable, gemm_table);

}  // namespace hone::kernel
