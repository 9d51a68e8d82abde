// Products of coded rows with panels of a quantized weight. A few rows meet the panels as they come from
// memory; for many, some units of three panels at a time are expanded to eight bits in the first-level cache.
#include "kernel/isa/code_unit.hpp"
#include "kernel/isa/coded_product_isa.hpp"
#include "kernel/isa/coded_tile.hpp"
#include "kernel/isa/gemm_epilogue.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

void code_rows(In x, std::int64_t stride, std::int64_t first, std::int64_t rows, const RowCodes& to) {
  typed(x, [&](auto* all) {
    const std::int64_t units = to.K / unit;
    for (std::int64_t r = first; r < first + rows; ++r)
      for (std::int64_t u = 0; u < units; ++u) {
        const std::int64_t at = r * units + u;
        const CodedUnit coded = code_unit(all + r * stride + u * unit, to.codes + r * to.K + u * unit);
        const std::int32_t sum = coded.halves[0] + coded.halves[1];
        to.scales[2 * at] = coded.scale;
        to.scales[2 * at + 1] = coded.scale * static_cast<float>(sum);
        to.sums[at] = sum;
      }
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

constexpr std::int64_t most_direct_rows = 4, direct_panels = 4;

// --- a few rows --------------------------------------------------------------------------------------------

template <int bits, bool minimum, int rows>
HONE_INLINE void direct_panel(const PanelProduct& p, const TileRows& x, const std::uint8_t* panel,
                              float* out) {
  E sum[rows][parts_of_panel] = {};
  for (std::int64_t g = 0, u = 0; g < p.shape.groups; ++g, panel += p.shape.group_bytes()) {
    const std::uint8_t* at = panel + (minimum ? 64 : 32);
    E scale[parts_of_panel], least[parts_of_panel];
#pragma GCC unroll 2
    for (int v = 0; v < parts_of_panel; ++v) {
      scale[v] = halves_of(panel + 2 * vector_columns * v);
      if constexpr (minimum) least[v] = halves_of(panel + 32 + 2 * vector_columns * v);
    }
    for (std::int64_t i = 0; i < p.shape.group_units; ++i, ++u, at += 64 * bits) {
      __builtin_prefetch(at + 1024), __builtin_prefetch(at + 1088);
      if constexpr (bits > 2) __builtin_prefetch(at + 1152), __builtin_prefetch(at + 1216);
      add_unit<bits != 8, minimum, rows, parts_of_panel>(
          x, u, p.shape.zero,
          [&]<int j>(int v)
              __attribute__((always_inline)) { return packed_codes<bits, j>(at + 4 * vector_columns * v); },
          [&](int v) __attribute__((always_inline)) { return scale[v]; },
          [&](int v) __attribute__((always_inline)) { return least[v]; }, sum);
    }
  }
  for (int r = 0; r < rows; ++r) std::memcpy(out + r * direct_panels * panel_rows, sum[r], sizeof sum[r]);
}

template <int rows>
void multiply_direct(const PanelProduct& p, std::int64_t first, std::int64_t count, std::int64_t row) {
  const TileRows x = rows_from(p.a, row);
  with_format(p.shape, [&]<int bits, bool minimum>() {
    for (std::int64_t c = 0; c < count; c += direct_panels) {
      alignas(64) float tile[rows * direct_panels * panel_rows] = {};
      const std::int64_t panels = smaller(direct_panels, count - c), column = (first + c) * panel_rows;
      for (std::int64_t i = 0; i < panels; ++i)
        direct_panel<bits, minimum, rows>(p, x, p.panels + (first + c + i) * p.shape.bytes(),
                                          tile + i * panel_rows);
      finish_tile(p.product, {row, column, rows, smaller(panels * panel_rows, p.product.N - column)}, tile,
                  direct_panels * panel_rows);
    }
  });
}

// --- many rows ---------------------------------------------------------------------------------------------

// Some units of panels, expanded: codes [unit][step][panels][64], scales and minima f32
// [unit][panels][2][16]. Sums of all rows [rows][tile_stride] wait while the next units are: so weights are
// read from the first-level cache by all rows, and units are still added in order.
struct Expanded {
  std::uint8_t* codes;
  float *scales, *sums;
  std::int64_t panels, first_unit, units;
};

template <int bits, bool minimum>
HONE_INLINE void expand_panel(const PanelShape& shape, const std::uint8_t* panel, std::int64_t i,
                              const Expanded& to) {
  panel += to.first_unit / shape.group_units * shape.group_bytes();
  for (std::int64_t u = 0; u < to.units; panel += shape.group_bytes()) {
    const std::uint8_t* at = panel + (minimum ? 64 : 32);
    for (std::int64_t k = 0; k < shape.group_units; ++k, ++u, at += 64 * bits)
      for (int v = 0; v < parts_of_panel; ++v) {
        float* scales = to.scales + (u * to.panels + i) * 32 + vector_columns * v;
        const E scale = halves_of(panel + 2 * vector_columns * v),
                least = minimum ? halves_of(panel + 32 + 2 * vector_columns * v) : scale;
        std::memcpy(scales, &scale, sizeof scale);
        std::memcpy(scales + 16, &least, sizeof least);
        each_step<0>([&]<int j>() __attribute__((always_inline)) {
          const B codes = packed_codes<bits, j>(at + 4 * vector_columns * v);
          std::memcpy(to.codes + ((u * steps + j) * to.panels + i) * 64 + 4 * vector_columns * v, &codes,
                      sizeof codes);
        });
      }
  }
}

// Vectors of columns in a tile, beside four rows: as the registers allow.
#if defined(__AVX512VNNI__)
constexpr int tile_vectors = 3;
#else
constexpr int tile_vectors = 2;
#endif
constexpr std::int64_t rows_of_tile = 4, tile_stride = panels_at_once * panel_rows;

template <bool narrow, bool minimum, int rows, int vectors>
HONE_INLINE void expanded_tile(const TileRows& x, int zero, const Expanded& w, std::int64_t first_vector,
                               float* sums) {
  E sum[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v)
      sum[r][v] = load_as<E>(sums + r * tile_stride + (first_vector + v) * vector_columns);
  const std::uint8_t* codes = w.codes + first_vector * 4 * vector_columns;
  for (std::int64_t u = 0; u < w.units; ++u, codes += steps * w.panels * 64) {
    const auto scales = [&](int v) __attribute__((always_inline)) {
      const std::int64_t vector = first_vector + v;
      return w.scales + (u * w.panels + vector / parts_of_panel) * 32 +
             vector % parts_of_panel * vector_columns;
    };
    add_unit<narrow, minimum, rows, vectors>(
        x, w.first_unit + u, zero,
        [&]<int j>(int v) __attribute__((always_inline)) {
          return load_as<B>(codes + j * w.panels * 64 + v * 4 * vector_columns);
        },
        [&](int v) __attribute__((always_inline)) { return load_as<E>(scales(v)); },
        [&](int v) __attribute__((always_inline)) { return load_as<E>(scales(v) + 16); }, sum);
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
    std::memcpy(sums + r * tile_stride + first_vector * vector_columns, sum[r], sizeof sum[r]);
}

template <bool narrow, bool minimum, int rows>
[[gnu::noinline]] void expanded_rows(const PanelProduct& p, std::int64_t row, const Expanded& w,
                                     float* sums) {
  const TileRows x = rows_from(p.a, row);
  const std::int64_t vectors = w.panels * parts_of_panel;
  std::int64_t v = 0;
  for (; v + tile_vectors <= vectors; v += tile_vectors)
    expanded_tile<narrow, minimum, rows, tile_vectors>(x, p.shape.zero, w, v, sums);
  for (; v < vectors; ++v) expanded_tile<narrow, minimum, rows, 1>(x, p.shape.zero, w, v, sums);
}

template <int bits, bool minimum>
HONE_INLINE void multiply_panels(const PanelProduct& p, std::int64_t first, Expanded& w,
                                 std::int64_t first_row, std::int64_t rows) {
  const std::int64_t all = p.a.K / unit;
  std::memset(w.sums, 0, static_cast<std::size_t>(rows * tile_stride) * sizeof(float));
  for (w.first_unit = 0; w.first_unit < all; w.first_unit += units_at_once) {
    w.units = smaller(units_at_once, all - w.first_unit);
    for (std::int64_t i = 0; i < w.panels; ++i)
      expand_panel<bits, minimum>(p.shape, p.panels + (first + i) * p.shape.bytes(), i, w);
    std::int64_t r = 0;
    for (; r + rows_of_tile <= rows; r += rows_of_tile)
      expanded_rows<bits != 8, minimum, rows_of_tile>(p, first_row + r, w, w.sums + r * tile_stride);
    for (; r < rows; ++r) expanded_rows<bits != 8, minimum, 1>(p, first_row + r, w, w.sums + r * tile_stride);
  }
}

void multiply_many(const PanelProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
                   std::int64_t rows, void* scratch) {
  auto* sums = static_cast<float*>(scratch);
  float* scales = sums + panel_task_rows * tile_stride;
  Expanded w{
      reinterpret_cast<std::uint8_t*>(scales + units_at_once * panels_at_once * 32), scales, sums, 0, 0, 0};
  for (std::int64_t c = first; c < first + count; c += panels_at_once) {
    w.panels = smaller(panels_at_once, first + count - c);
    with_format(p.shape,
                [&]<int bits, bool minimum>() { multiply_panels<bits, minimum>(p, c, w, first_row, rows); });
    const std::int64_t column = c * panel_rows;
    finish_tile(p.product, {first_row, column, rows, smaller(w.panels * panel_rows, p.product.N - column)},
                sums, tile_stride);
  }
}

void multiply(const PanelProduct& p, std::int64_t first, std::int64_t count, std::int64_t first_row,
              std::int64_t rows, void* scratch) {
  switch (rows) {
    case 1:
      return multiply_direct<1>(p, first, count, first_row);
    case 2:
      return multiply_direct<2>(p, first, count, first_row);
    case 3:
      return multiply_direct<3>(p, first, count, first_row);
    case most_direct_rows:
      return multiply_direct<most_direct_rows>(p, first, count, first_row);
    default:
      multiply_many(p, first, count, first_row, rows, scratch);
  }
}

}  // namespace

const PanelTable panel_table{.code_rows = code_rows, .multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
