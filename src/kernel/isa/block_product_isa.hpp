// What kernel/block_product.cpp hands to the loops of block_product.cpp, which are compiled once per
// instruction set.
#pragma once
#include <cstdint>

#include "kernel/gemm.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// How a strip, 4 or 16 rows of a weight that keep the same columns, lies in memory: those columns, u16, and
// on the next cache line units of 32 bits [unit][row of the strip], where a unit is the value of one column
// in f32, or the values of two, a pair of bf16. Units are a multiple of four: those that are added are zero,
// of column K. In front of all strips stands where they begin.
struct StripPlace {
  std::uint64_t at, units;  // in bytes from the stream's beginning
};
constexpr std::int64_t units_together = 4;

struct BlockProduct {
  Gemm product;  // of its operands only sizes, C and the epilogue
  std::int64_t block_rows = 16;
  bool pairs = false, few = false;
  const std::byte* stream = nullptr;
  std::int64_t first_strip = 0;  // where the product's first column is
  // f32, or bf16 of pairs: of `few` rows [rows][K + 1], else transposed [tiles][K + 1][block_tile]. What
  // stands behind the last column is zero.
  const void* x = nullptr;

  std::int64_t x_bytes() const { return pairs ? 2 : 4; }
};
constexpr std::int64_t block_tile = 64;  // rows of x, and of the weight, that are computed together

struct BlockTable {
  // Rows of x, `stride` elements apart, to the layout of few rows, and of a tile.
  void (*copy)(In x, std::int64_t stride, std::int64_t rows, const BlockProduct&, void* to);
  void (*transpose)(In x, std::int64_t stride, std::int64_t rows, const BlockProduct&, void* to);
  // At most block_tile columns from `column` on, of a tile of rows. `scratch`: block_task_bytes.
  void (*multiply)(const BlockProduct&, std::int64_t column, std::int64_t tile, void* scratch);
};
constexpr std::int64_t block_task_bytes = 2 * block_tile * block_tile * 4;

HONE_BUILDS(BlockTable, block_table);

}  // namespace hone::kernel
