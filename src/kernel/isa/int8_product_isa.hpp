// What kernel/int8_product.cpp hands to the loops of int8_product.cpp, which are compiled once per
// instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernel/gemm.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// Four neighbours in k are multiplied at a time, so rows of codes are filled up to as many.
constexpr std::int64_t int8_row(std::int64_t width) { return (width + 3) / 4 * 4; }

struct Int8Rows {
  std::int64_t rows = 0, K = 0;   // K: int8_row of the width
  std::uint8_t* codes = nullptr;  // [rows][K], from 1 to 255: 128 means 0
  float* scales = nullptr;        // [rows]
};

// How a panel, 48 rows of a weight, lies in memory: their scales in f32, the sums of their codes in i32, then
// for each four neighbours in k [48 rows][4 codes], signed, from -127 to 127.
constexpr std::int64_t int8_panel_rows = 48, int8_panel_head = int8_panel_rows * 8;
constexpr std::int64_t int8_panel_bytes(std::int64_t K) {
  return int8_panel_head + int8_panel_rows * int8_row(K);
}

struct Int8Block {
  Gemm product;  // of its operands only sizes, C and the epilogue
  Int8Rows a;
  const std::byte* panels;
  std::int64_t first_row, rows, first_panel, panel_count;
  std::int64_t next_panel;  // that is likely to follow these on this thread
  std::int64_t c_row;       // the row of C that first_row goes to
  std::byte* scratch;       // int8_tile_bytes, then 8 rows of A
};
constexpr std::int64_t int8_tile_rows = 8;  // at most
constexpr std::int64_t int8_tile_bytes = int8_tile_rows * int8_panel_rows * 4;

struct Int8Table {
  void (*quantize_rows)(In x, std::int64_t width, std::int64_t stride, std::int64_t first, std::int64_t rows,
                        const Int8Rows& to);
  void (*multiply)(const Int8Block&);
};

HONE_VNNI_BUILDS(Int8Table, int8_table);

}  // namespace hone::kernel
