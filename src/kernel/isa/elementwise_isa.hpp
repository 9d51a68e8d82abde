// Elementwise loops over the elements of one task; see kernel/elementwise.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/elementwise.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct DropoutElements {
  In x;
  Out y;
  float keep_share;         // 1 - p
  std::uint32_t threshold;  // keep where 16 random bits >= this
  std::uint64_t key;
  std::uint64_t first;  // the first element's index in the undivided step
};

struct ElementwiseTable {
  // All take elements [first, first + n) of their arrays.
  void (*activate)(Activation, In x, Out y, std::int64_t first, std::int64_t n);
  void (*activate_gradient)(Activation, In x, In dy, Out dx, std::int64_t first, std::int64_t n);
  void (*gate)(const Gate&, std::int64_t first, std::int64_t n);
  void (*gate_gradient)(const Gate&, std::int64_t first, std::int64_t n);
  void (*softcap)(const Softcap&, std::int64_t first, std::int64_t n);
  void (*softcap_gradient)(const Softcap&, std::int64_t first, std::int64_t n);
  void (*add)(In a, In b, Out y, std::int64_t first, std::int64_t n);
  void (*cast)(In x, Out y, std::int64_t first, std::int64_t n);
  void (*dropout)(const DropoutElements&, std::int64_t first, std::int64_t n);
  // sum[c] += the sum over these rows, from zero, for columns [first, first + columns), at most column_block.
  void (*add_columns)(In x, std::int64_t stride, std::int64_t first_row, std::int64_t rows,
                      std::int64_t first, std::int64_t columns, float* sum);
};

constexpr std::int64_t column_block = 128;

HONE_BUILDS(ElementwiseTable, elementwise_table);

}  // namespace hone::kernel
