// Products of coded rows with panels of which some codes are kept. Each step's codes are put to their places
// in registers; then it is the product of kernel/isa/coded_product.cpp, with the same bits.
#include "kernel/isa/coded_many.hpp"
#include "kernel/isa/gemm_epilogue.hpp"
#include "kernel/isa/masked_codes.hpp"
#include "kernel/isa/masked_product_isa.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

constexpr int zero = 128;
constexpr std::int64_t direct_panels = 4;

// --- a few rows --------------------------------------------------------------------------------------------

template <int rows>
HONE_INLINE void direct_panel(const MaskedProduct& p, const TileRows& x, const std::uint8_t* at, float* out) {
  E sum[rows][parts_of_panel] = {};
  const std::int64_t units = p.a.K / unit;
  for (std::int64_t u = 0; u < units;) {
    E scale[parts_of_panel];
#pragma GCC unroll 2
    for (int v = 0; v < parts_of_panel; ++v) scale[v] = halves_of(at + 2 * vector_columns * v);
    at += 32;
    for (std::int64_t i = 0; i < p.group_units; ++i, ++u) {
      // A unit of half of the codes is 320 bytes.
      for (int line = 0; line < 5; ++line) __builtin_prefetch(at + 4096 + 64 * line);
      MaskedCodes codes(at);
      add_unit<false, false, rows, parts_of_panel>(
          x, u, zero, [&]<int j>(int v) __attribute__((always_inline)) { return codes.template next<j>(v); },
          [&](int v) __attribute__((always_inline)) { return scale[v]; },
          [&](int v) __attribute__((always_inline)) { return scale[v]; }, sum);
      at = codes.end();
    }
  }
  for (int r = 0; r < rows; ++r) std::memcpy(out + r * direct_panels * panel_rows, sum[r], sizeof sum[r]);
}

template <int rows>
void multiply_direct(const MaskedProduct& p, std::int64_t first, std::int64_t count, std::int64_t row) {
  const TileRows x = rows_from(p.a, row);
  for (std::int64_t c = 0; c < count; c += direct_panels) {
    alignas(64) float tile[rows * direct_panels * panel_rows] = {};
    const std::int64_t panels = smaller(direct_panels, count - c), column = (first + c) * panel_rows;
    for (std::int64_t i = 0; i < panels; ++i)
      direct_panel<rows>(p, x, p.panel(first + c + i), tile + i * panel_rows);
    finish_tile(p.product, {row, column, rows, smaller(panels * panel_rows, p.product.N - column)}, tile,
                direct_panels * panel_rows);
  }
}

// --- many rows ---------------------------------------------------------------------------------------------

// Units of panel i from where the last ones ended; units are expanded in order.
HONE_INLINE const std::uint8_t* expand_panel(std::int64_t group_units, const std::uint8_t* at, std::int64_t i,
                                             const Expanded& to) {
  for (std::int64_t u = 0; u < to.units;) {
    const std::uint8_t* scales = at;
    at += 32;
    for (std::int64_t k = 0; k < group_units; ++k, ++u) {
      MaskedCodes codes(at);
      for (int v = 0; v < parts_of_panel; ++v) {
        const E scale = halves_of(scales + 2 * vector_columns * v);
        put_scales(to, i, u, v, scale, scale);
      }
      each_step<0>([&]<int j>() __attribute__((always_inline)) {
        for (int v = 0; v < parts_of_panel; ++v) put_codes(to, i, u, j, v, codes.template next<j>(v));
      });
      at = codes.end();
    }
  }
  return at;
}

void multiply_expanding(const MaskedProduct& p, std::int64_t first, std::int64_t count,
                        std::int64_t first_row, std::int64_t rows, void* scratch) {
  multiply_many(p.product, first, count, first_row, rows, scratch, [&](Expanded& w, std::int64_t c) {
    const std::uint8_t* at[panels_at_once];
    for (std::int64_t i = 0; i < w.panels; ++i) at[i] = p.panel(c + i);
    multiply_expanded<false, false>(
        p.a, zero, w, first_row, rows, [&](std::int64_t i) __attribute__((always_inline)) {
          at[i] = expand_panel(p.group_units, at[i], i, w);
        });
  });
}

void multiply(const MaskedProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
              std::int64_t rows, void* scratch) {
  by_rows(
      rows, [&]<int few>() { multiply_direct<few>(p, first, count, first_row); },
      [&] { multiply_expanding(p, first, count, first_row, rows, scratch); });
}

}  // namespace

const MaskedTable masked_table{.multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
