// Loops over blocks of quantized weights; see kernel/blocks.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// Rows of activations as whole numbers of eight bits, by units of 32: x is about scale * code.
struct CodedRows {
  std::int64_t K;      // of a row, whole blocks of what it is multiplied with
  std::int8_t* codes;  // [rows][K]
  float* scale;        // [rows][K / 32]
  float* half_sums;    // [rows][K / 16]: scale times the codes of 16 elements
  float* sums;         // [rows][K / 32]: of 32
};

struct BlocksTable {
  // `count` elements of a row as f32.
  void (*expand)(In values, std::int64_t count, float* to);
  // Rows of x, `width` elements each; up to K come zeros.
  void (*encode)(In x, std::int64_t width, std::int64_t stride, std::int64_t rows, const CodedRows& to);
};

HONE_BUILDS(BlocksTable, blocks_table);

}  // namespace hone::kernel
