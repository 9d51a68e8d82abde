// Products of coded rows with panels of which two of each four neighbours are kept. A few rows meet the codes
// as they lie; for many, codes are put to their places in the first-level cache.
#include "kernel/isa/two_of_four.hpp"

#include "kernel/isa/coded_many.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// --- a few rows --------------------------------------------------------------------------------------------

template <int bits, bool minimum, int rows>
HONE_INLINE void direct_panel(const TwosProduct& p, const TileRows& x, const std::uint8_t* at, float* out,
                              Ahead& ahead) {
  E sum[rows][parts_of_panel] = {};
  const std::int64_t unit_bytes = p.group_bytes() / p.group_units;
  for (std::int64_t g = 0, u = 0; g < p.groups; ++g) {
    E scale[parts_of_panel];
#pragma GCC unroll 2
    for (int v = 0; v < parts_of_panel; ++v) scale[v] = halves_of(at + 2 * vector_columns * v);
    at += 32;
    for (std::int64_t i = 0; i < p.group_units; ++i, ++u, at += 48 + 32 * bits) {
      ahead.move<bits == 8 ? 5 : 3>(unit_bytes);
      add_twos<bits, minimum, rows>(x, u, at, scale, sum);
    }
  }
  for (int r = 0; r < rows; ++r) std::memcpy(out + r * tile_stride, sum[r], sizeof sum[r]);
}

// --- many rows ---------------------------------------------------------------------------------------------

// Vector v of unit u, which lies at `at`.
template <int bits>
HONE_INLINE void expand_unit(const std::uint8_t* at, std::int64_t i, std::int64_t u, int v,
                             const Expanded& to) {
  const Pairs pairs(at, v);
  B zeros;
  std::memset(&zeros, 1 << (bits - 1), sizeof zeros);
  const auto step = [&]<int j>() __attribute__((always_inline)) {
    B w = twos_codes<bits, j>(at + 48, v);
    if constexpr (bits == 4) w ^= zeros;
    put_codes(to, i, u, 2 * j, v, pairs.template placed<j, 0>(w) ^ zeros);
    put_codes(to, i, u, 2 * j + 1, v, pairs.template placed<j, 1>(w) ^ zeros);
  };
  step.template operator()<0>(), step.template operator()<1>(), step.template operator()<2>(),
      step.template operator()<3>();
}

template <int bits>
HONE_INLINE void expand_panel(const TwosProduct& p, const std::uint8_t* panel, std::int64_t i,
                              const Expanded& to) {
  const std::uint8_t* at = panel + to.first_unit / p.group_units * p.group_bytes();
  for (std::int64_t u = 0; u < to.units;) {
    const std::uint8_t* scales = at;
    at += 32;
    for (std::int64_t k = 0; k < p.group_units; ++k, ++u, at += p.unit_bytes()) {
      for (int v = 0; v < parts_of_panel; ++v) {
        const E scale = halves_of(scales + 2 * vector_columns * v);
        put_scales(to, i, u, v, scale, scale * splat_columns(-(1 << (bits - 1))));
        expand_unit<bits>(at, i, u, v, to);
      }
    }
  }
}

template <int bits, bool minimum>
void multiply_as(const TwosProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
                 std::int64_t rows, void* scratch) {
  const auto panel = [&](std::int64_t i) __attribute__((always_inline)) { return p.panels + i * p.bytes(); };
  by_rows(
      rows,
      [&]<int few>() {
        const TileRows x = rows_from(p.a, first_row);
        multiply_few<few>(
            p.product, first, count, first_row,
            panel, [&](std::int64_t i, float* out, Ahead& ahead) __attribute__((always_inline)) {
              direct_panel<bits, minimum, few>(p, x, panel(i), out, ahead);
            });
      },
      [&] {
        multiply_many(p.product, first, count, first_row, rows, scratch, [&](Expanded& w, std::int64_t c) {
          multiply_expanded<bits != 8, minimum>(
              p.a, 1 << (bits - 1), w, first_row, rows, [&](std::int64_t i) __attribute__((always_inline)) {
                expand_panel<bits>(p, panel(c + i), i, w);
              });
        });
      });
}

void multiply(const TwosProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
              std::int64_t rows, void* scratch) {
  with_zero_codes(p.bits, p.has_minimum, [&]<int bits, bool minimum>() {
    multiply_as<bits, minimum>(p, first, count, first_row, rows, scratch);
  });
}

}  // namespace

const TwosTable twos_table{.multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
