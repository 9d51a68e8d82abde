// Products of coded rows with panels of a quantized weight. A few rows meet the panels as they come from
// memory; for many, some units of three panels at a time are expanded to eight bits in the first-level cache.
#include "kernel/isa/coded_many.hpp"
#include "kernel/isa/coded_product_isa.hpp"
#include "kernel/isa/gemm_epilogue.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

void code_rows(In x, std::int64_t width, std::int64_t stride, std::int64_t first, std::int64_t rows,
               const RowCodes& to) {
  typed(x, [&](auto* all) {
    const std::int64_t units = to.K / unit;
    for (std::int64_t r = first; r < first + rows; ++r)
      code_row(all + r * stride, width, units, to.codes + r * to.K,
               [&](std::int64_t u, const CodedUnit& coded) {
                 const std::int64_t at = r * units + u;
                 const std::int32_t sum = coded.halves[0] + coded.halves[1];
                 to.scales[2 * at] = coded.scale;
                 to.scales[2 * at + 1] = coded.scale * static_cast<float>(sum);
                 to.sums[at] = sum;
               });
  });
}

// Calls body<bits, minimum>, of the formats that there are.
template <class Body>
HONE_INLINE void with_format(const PanelShape& shape, const Body& body) {
  if (shape.bits == 8) return body.template operator()<8, false>();
  if (shape.bits == 4 && !shape.has_minimum) return body.template operator()<4, false>();
  if (shape.bits == 4) return body.template operator()<4, true>();
  if (shape.bits == 3) return body.template operator()<3, true>();
  body.template operator()<2, true>();
}

// --- a few rows --------------------------------------------------------------------------------------------

template <int bits, bool minimum, int rows>
HONE_INLINE void direct_panel(const PanelProduct& p, const TileRows& x, const std::uint8_t* panel, float* out,
                              Ahead& ahead) {
  E sum[rows][parts_of_panel] = {};
  const std::int64_t unit_bytes = p.shape.group_bytes() / p.shape.group_units;
  for (std::int64_t g = 0, u = 0; g < p.shape.groups; ++g, panel += p.shape.group_bytes()) {
    const std::uint8_t* at = panel + (minimum ? 64 : 32);
    E scale[parts_of_panel], least[parts_of_panel];
#pragma GCC unroll 2
    for (int v = 0; v < parts_of_panel; ++v) {
      scale[v] = halves_of(panel + 2 * vector_columns * v);
      if constexpr (minimum) least[v] = halves_of(panel + 32 + 2 * vector_columns * v);
    }
    for (std::int64_t i = 0; i < p.shape.group_units; ++i, ++u, at += 64 * bits) {
      ahead.move<bits + 1>(unit_bytes);
      add_unit<bits != 8, minimum, rows, parts_of_panel>(
          x, u, p.shape.zero,
          [&]<int j>(int v)
              __attribute__((always_inline)) { return packed_codes<bits, j>(at + 4 * vector_columns * v); },
          [&](int v) __attribute__((always_inline)) { return scale[v]; },
          [&](int v) __attribute__((always_inline)) { return least[v]; }, sum);
    }
  }
  for (int r = 0; r < rows; ++r) std::memcpy(out + r * tile_stride, sum[r], sizeof sum[r]);
}

template <int rows>
void multiply_direct(const PanelProduct& p, std::int64_t first, std::int64_t count, std::int64_t row) {
  const TileRows x = rows_from(p.a, row);
  with_format(p.shape, [&]<int bits, bool minimum>() {
    const auto panel = [&](std::int64_t i) __attribute__((always_inline)) {
      return p.panels + i * p.shape.bytes();
    };
    multiply_few<rows>(
        p.product, first, count, row,
        panel, [&](std::int64_t i, float* out, Ahead& ahead) __attribute__((always_inline)) {
          direct_panel<bits, minimum, rows>(p, x, panel(i), out, ahead);
        });
  });
}

// --- many rows ---------------------------------------------------------------------------------------------

template <int bits, bool minimum>
HONE_INLINE void expand_panel(const PanelShape& shape, const std::uint8_t* panel, std::int64_t i,
                              const Expanded& to) {
  panel += to.first_unit / shape.group_units * shape.group_bytes();
  for (std::int64_t u = 0; u < to.units; panel += shape.group_bytes()) {
    const std::uint8_t* at = panel + (minimum ? 64 : 32);
    for (std::int64_t k = 0; k < shape.group_units; ++k, ++u, at += 64 * bits)
      for (int v = 0; v < parts_of_panel; ++v) {
        const E scale = halves_of(panel + 2 * vector_columns * v);
        put_scales(to, i, u, v, scale, minimum ? halves_of(panel + 32 + 2 * vector_columns * v) : scale);
        each_step<0>([&]<int j>() __attribute__((always_inline)) {
          put_codes(to, i, u, j, v, packed_codes<bits, j>(at + 4 * vector_columns * v));
        });
      }
  }
}

void multiply_expanding(const PanelProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
                        std::int64_t rows, void* scratch) {
  multiply_many(p.product, first, count, first_row, rows, scratch, [&](Expanded& w, std::int64_t c) {
    with_format(p.shape, [&]<int bits, bool minimum>() {
      multiply_expanded<bits != 8, minimum>(
          p.a, p.shape.zero, w, first_row, rows, [&](std::int64_t i) __attribute__((always_inline)) {
            expand_panel<bits, minimum>(p.shape, p.panels + (c + i) * p.shape.bytes(), i, w);
          });
    });
  });
}

void multiply(const PanelProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
              std::int64_t rows, void* scratch) {
  by_rows(
      rows, [&]<int few>() { multiply_direct<few>(p, first, count, first_row); },
      [&] { multiply_expanding(p, first, count, first_row, rows, scratch); });
}

}  // namespace

const PanelTable panel_table{.code_rows = code_rows, .multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
