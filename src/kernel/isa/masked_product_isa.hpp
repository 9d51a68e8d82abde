// What kernel/masked_product.cpp hands to the loops of masked_product.cpp, which are compiled once per
// instruction set.
#pragma once
#include <cstdint>

#include "kernel/isa/coded_product_isa.hpp"

namespace hone::kernel {

// How a panel, 16 rows of a weight of which some codes are kept, lies in memory: group by group
//   16 scales in f16,
//   and for each unit of 32 columns eight steps' masks, u64 each: bit 4 r + i is row r's column 4 step + i;
// and behind all of these, step by step, the codes of the bits that are set, unsigned: of four bits two to a
// byte, the first one low, each step from a whole byte on. Masks stand apart from codes
// so that where a mask lies follows from no mask before it: else each unit waits for the one before.
// In front of all panels stand where they begin, u64[panels + 1] in bytes from the stream's beginning; behind
// the last are masked_slack bytes, for codes are read by whole vectors.
struct MaskedProduct {
  Gemm product;  // of its operands only sizes, C and the epilogue
  RowCodes a;
  int bits = 8;
  bool has_minimum = false;  // each group's is the zero code's: minus half of all codes times its scale
  std::int64_t group_units = 1;
  const std::uint8_t* stream = nullptr;
  std::int64_t first_panel = 0;  // where the product's first column is

  const std::uint8_t* panel(std::int64_t i) const {
    return stream + reinterpret_cast<const std::uint64_t*>(stream)[first_panel + i];
  }
};
constexpr std::int64_t masked_slack = 64, unit_mask_bytes = 64;
// Scales and masks of a panel.
constexpr std::int64_t masked_frame_bytes(std::int64_t groups, std::int64_t group_units) {
  return groups * (32 + group_units * unit_mask_bytes);
}

struct MaskedTable {
  // As PanelTable::multiply.
  void (*multiply)(const MaskedProduct&, std::int64_t first, std::int64_t count, std::int64_t first_row,
                   std::int64_t rows, void* scratch);
};

HONE_BUILDS(MaskedTable, masked_table);

}  // namespace hone::kernel
