// What kernel/coded_product.cpp hands to the loops of coded_product.cpp, which are compiled once per
// instruction set.
#pragma once
#include <cstdint>

#include "kernel/gemm.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// Rows of activations as whole numbers of eight bits, by units of 32: x is about scale * code. Behind x stand
// zeros up to whole groups of the weights that it is multiplied with, so what fills up their rows adds
// nothing.
struct RowCodes {
  std::int64_t K = 0;            // of a row, a multiple of 32
  std::int8_t* codes = nullptr;  // [rows][K], from -127 to 127
  float* scales = nullptr;       // [rows][K / 32][2]: scale, and scale times the sum of the unit's codes
  std::int32_t* sums = nullptr;  // [rows][K / 32]: of the unit's codes
};

// How a panel, 16 rows of a weight, lies in memory: group by group
//   16 scales in f16, 16 minima in f16 where there are some,
//   and for each unit of 32 codes eight steps of [16 rows][4 codes], which are 64 bytes of 8 bits. Of 4 bits
//   step j + 4 stands above step j; of 2 bits steps 4 i to 4 i + 3 share 64 bytes; of 3 bits behind those the
//   third bits, step j at bit j.
struct PanelShape {
  int bits = 0, zero = 0;  // kernel/coded.hpp, CodeFormat
  bool has_minimum = false;
  std::int64_t groups = 0, group_units = 1;

  constexpr std::int64_t unit_bytes() const { return 64 * bits; }
  constexpr std::int64_t group_bytes() const { return (has_minimum ? 64 : 32) + group_units * unit_bytes(); }
  constexpr std::int64_t bytes() const { return groups * group_bytes(); }
};
constexpr std::int64_t panel_rows = 16;

struct PanelProduct {
  Gemm product;  // of its operands only sizes, C and the epilogue
  RowCodes a;
  PanelShape shape;
  const std::uint8_t* panels = nullptr;
};

struct PanelTable {
  // Rows from `first` on of x, of `width` floating elements.
  void (*code_rows)(In x, std::int64_t width, std::int64_t stride, std::int64_t first, std::int64_t rows,
                    const RowCodes& to);
  // Columns of `count` panels from `first` on, of at most panel_task_rows rows from `first_row` on.
  // `scratch`: panel_scratch_bytes, for more than four rows.
  void (*multiply)(const PanelProduct&, std::int64_t first, std::int64_t count, std::int64_t first_row,
                   std::int64_t rows, void* scratch);
};
constexpr std::int64_t panel_task_rows = 128;
constexpr std::int64_t panels_at_once = 3, units_at_once = 8;  // that are expanded together; whole groups
// Sums of the rows, scales and minima, codes.
constexpr std::int64_t panel_scratch_bytes =
    panels_at_once * panel_rows * (panel_task_rows * 4 + units_at_once * (8 + 32));

HONE_VNNI_BUILDS(PanelTable, panel_table);

}  // namespace hone::kernel
