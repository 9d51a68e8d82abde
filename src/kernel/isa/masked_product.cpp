// Products of coded rows with panels of which some codes are kept. Each step's codes are put to their places
// in registers; then it is the product of kernel/isa/coded_product.cpp, with the same bits.
#include "kernel/isa/masked_product_isa.hpp"

#include "kernel/isa/coded_many.hpp"
#include "kernel/isa/masked_codes.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// Where the next unit of a panel is: its masks (its group's scales, where one begins), and its codes.
struct Place {
  const std::uint8_t *frame, *codes;
};
HONE_INLINE Place begin_of(const MaskedProduct& p, std::int64_t panel) {
  const std::uint8_t* frame = p.panel(panel);
  const std::int64_t groups = p.a.K / unit / p.group_units;
  return {frame, frame + masked_frame_bytes(groups, p.group_units)};
}

// --- a few rows --------------------------------------------------------------------------------------------

template <int bits, bool minimum, int rows>
HONE_INLINE void direct_panel(const MaskedProduct& p, const TileRows& x, std::int64_t panel, float* out,
                              Ahead& ahead) {
  E sum[rows][parts_of_panel] = {};
  const std::int64_t units = p.a.K / unit;
  Place at = begin_of(p, panel);
  const std::int64_t unit_bytes = (p.panel(panel + 1) - at.frame) / units + 1;  // masks and codes alike
  for (std::int64_t u = 0; u < units;) {
    E scale[parts_of_panel], least[parts_of_panel];
#pragma GCC unroll 2
    for (int v = 0; v < parts_of_panel; ++v) {
      scale[v] = halves_of(at.frame + 2 * vector_columns * v);
      least[v] = scale[v] * splat_columns(-MaskedCodes<bits>::zero);
    }
    at.frame += 32;
    for (std::int64_t i = 0; i < p.group_units; ++i, ++u, at.frame += unit_mask_bytes) {
      ahead.move<bits == 8 ? 6 : 4>(unit_bytes);  // of half of the codes
      MaskedCodes<bits> codes(at.codes, at.frame);
      add_unit<bits != 8, minimum, rows, parts_of_panel>(
          x, u,
          codes.zero, [&]<int j>(int v) __attribute__((always_inline)) { return codes.template next<j>(v); },
          [&](int v) __attribute__((always_inline)) { return scale[v]; },
          [&](int v) __attribute__((always_inline)) { return least[v]; }, sum);
      at.codes = codes.end();
    }
  }
  for (int r = 0; r < rows; ++r) std::memcpy(out + r * tile_stride, sum[r], sizeof sum[r]);
}

// --- many rows ---------------------------------------------------------------------------------------------

// Units of panel i from where the last ones ended; units are expanded in order.
template <int bits>
HONE_INLINE Place expand_panel(std::int64_t group_units, Place at, std::int64_t i, const Expanded& to) {
  for (std::int64_t u = 0; u < to.units;) {
    const std::uint8_t* scales = at.frame;
    at.frame += 32;
    for (std::int64_t k = 0; k < group_units; ++k, ++u, at.frame += unit_mask_bytes) {
      MaskedCodes<bits> codes(at.codes, at.frame);
      for (int v = 0; v < parts_of_panel; ++v) {
        const E scale = halves_of(scales + 2 * vector_columns * v);
        put_scales(to, i, u, v, scale, scale * splat_columns(-codes.zero));
      }
      each_step<0>([&]<int j>() __attribute__((always_inline)) {
        for (int v = 0; v < parts_of_panel; ++v) put_codes(to, i, u, j, v, codes.template next<j>(v));
      });
      at.codes = codes.end();
    }
  }
  return at;
}

template <int bits, bool minimum>
void multiply_as(const MaskedProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
                 std::int64_t rows, void* scratch) {
  by_rows(
      rows,
      [&]<int few>() {
        const TileRows x = rows_from(p.a, first_row);
        multiply_few<few>(
            p.product, first, count, first_row, [&](std::int64_t panel) { return p.panel(panel); },
            [&](std::int64_t panel, float* out, Ahead& ahead) __attribute__((always_inline)) {
              direct_panel<bits, minimum, few>(p, x, panel, out, ahead);
            });
      },
      [&] {
        multiply_many(p.product, first, count, first_row, rows, scratch, [&](Expanded& w, std::int64_t c) {
          Place at[panels_at_once];
          for (std::int64_t i = 0; i < w.panels; ++i) at[i] = begin_of(p, c + i);
          multiply_expanded<bits != 8, minimum>(
              p.a, MaskedCodes<bits>::zero, w, first_row,
              rows, [&](std::int64_t i) __attribute__((always_inline)) {
                at[i] = expand_panel<bits>(p.group_units, at[i], i, w);
              });
        });
      });
}

void multiply(const MaskedProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
              std::int64_t rows, void* scratch) {
  with_zero_codes(p.bits, p.has_minimum, [&]<int bits, bool minimum>() {
    multiply_as<bits, minimum>(p, first, count, first_row, rows, scratch);
  });
}

}  // namespace

const MaskedTable masked_table{.multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
