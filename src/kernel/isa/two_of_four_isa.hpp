// What kernel/masked_product.cpp hands to the loops of two_of_four.cpp, which are compiled once per
// instruction set.
#pragma once
#include <cstdint>

#include "kernel/isa/coded_product_isa.hpp"

namespace hone::kernel {

// How a panel, 16 rows of a weight of which two of each four neighbours are kept, lies in memory: group by
// group
//   16 scales in f16,
//   and for each unit of 32 columns
//     which are kept: 3 bytes for each row, four f's pair (pair_places) at bits 3 f to 3 f + 2,
//     and four steps, of eight columns each, of [16 rows][4 codes]: i8 about zero, or of four bits as they
//     are, step i + 2 above step i.
struct TwosProduct {
  Gemm product;  // of its operands only sizes, C and the epilogue
  RowCodes a;
  int bits = 8;
  bool has_minimum = false;  // as in MaskedProduct
  std::int64_t groups = 0, group_units = 1;
  const std::uint8_t* panels = nullptr;

  constexpr std::int64_t unit_bytes() const { return 48 + 32 * bits; }
  constexpr std::int64_t group_bytes() const { return 32 + group_units * unit_bytes(); }
  constexpr std::int64_t bytes() const { return groups * group_bytes(); }
};
// The places of the first and of the second code of a pair. What is no pair has two places all the same.
constexpr std::uint8_t pair_places[8][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}, {0, 1}, {0, 1}};

struct TwosTable {
  // As PanelTable::multiply.
  void (*multiply)(const TwosProduct&, std::int64_t first, std::int64_t count, std::int64_t first_row,
                   std::int64_t rows, void* scratch);
};

HONE_BUILDS(TwosTable, twos_table);

}  // namespace hone::kernel
