// Products of many coded rows with panels: some units of three panels at a time are expanded to eight bits in
// the first-level cache, by whoever knows how they lie in memory.
#pragma once
#include "kernel/isa/code_unit.hpp"
#include "kernel/isa/coded_product_isa.hpp"
#include "kernel/isa/coded_tile.hpp"
#include "kernel/isa/gemm_epilogue.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {

// Some units of panels, expanded: codes [unit][step][panels][64], scales and minima f32
// [unit][panels][2][16]. Sums of all rows [rows][sums_stride] wait while the next units are: so weights are
// read from the first-level cache by all rows, and units are still added in order.
struct Expanded {
  std::uint8_t* codes;
  float *scales, *sums;
  std::int64_t panels, first_unit, units;
};

// The scales, and minima or whatever, of vector v of panel i's unit u.
HONE_INLINE void put_scales(const Expanded& to, std::int64_t i, std::int64_t u, int v, E scale, E least) {
  float* scales = to.scales + (u * to.panels + i) * 32 + vector_columns * v;
  std::memcpy(scales, &scale, sizeof scale);
  std::memcpy(scales + 16, &least, sizeof least);
}
// The codes of a step there.
HONE_INLINE void put_codes(const Expanded& to, std::int64_t i, std::int64_t u, int step, int v, B codes) {
  std::memcpy(to.codes + ((u * steps + step) * to.panels + i) * 64 + 4 * vector_columns * v, &codes,
              sizeof codes);
}

// Vectors of columns in a tile, beside four rows: as the registers allow.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int tile_vectors = 3;
#else
constexpr int tile_vectors = 2;
#endif
constexpr std::int64_t rows_of_tile = 4, sums_stride = panels_at_once * panel_rows;

template <bool narrow, bool minimum, int rows, int vectors>
HONE_INLINE void expanded_tile(const TileRows& x, int zero, const Expanded& w, std::int64_t first_vector,
                               float* sums) {
  E sum[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v)
      sum[r][v] = load_as<E>(sums + r * sums_stride + (first_vector + v) * vector_columns);
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
    std::memcpy(sums + r * sums_stride + first_vector * vector_columns, sum[r], sizeof sum[r]);
}

template <bool narrow, bool minimum, int rows>
[[gnu::noinline]] void expanded_rows(const RowCodes& a, int zero, std::int64_t row, const Expanded& w,
                                     float* sums) {
  const TileRows x = rows_from(a, row);
  const std::int64_t vectors = w.panels * parts_of_panel;
  std::int64_t v = 0;
  for (; v + tile_vectors <= vectors; v += tile_vectors)
    expanded_tile<narrow, minimum, rows, tile_vectors>(x, zero, w, v, sums);
  for (; v < vectors; ++v) expanded_tile<narrow, minimum, rows, 1>(x, zero, w, v, sums);
}

// Calls expand(i) for each panel i of w, for some units after others.
template <bool narrow, bool minimum, class Expand>
HONE_INLINE void multiply_expanded(const RowCodes& a, int zero, Expanded& w, std::int64_t first_row,
                                   std::int64_t rows, const Expand& expand) {
  const std::int64_t all = a.K / unit;
  std::memset(w.sums, 0, static_cast<std::size_t>(rows * sums_stride) * sizeof(float));
  for (w.first_unit = 0; w.first_unit < all; w.first_unit += units_at_once) {
    w.units = smaller(units_at_once, all - w.first_unit);
    for (std::int64_t i = 0; i < w.panels; ++i) expand(i);
    std::int64_t r = 0;
    for (; r + rows_of_tile <= rows; r += rows_of_tile)
      expanded_rows<narrow, minimum, rows_of_tile>(a, zero, first_row + r, w, w.sums + r * sums_stride);
    for (; r < rows; ++r)
      expanded_rows<narrow, minimum, 1>(a, zero, first_row + r, w, w.sums + r * sums_stride);
  }
}

HONE_INLINE Expanded expanded_in(void* scratch) {
  auto* sums = static_cast<float*>(scratch);
  float* scales = sums + panel_task_rows * sums_stride;
  return {
      reinterpret_cast<std::uint8_t*>(scales + units_at_once * panels_at_once * 32), scales, sums, 0, 0, 0};
}

// multiply(w, c) fills w.sums of some panels, from c on, at a time; here they become results.
template <class Multiply>
HONE_INLINE void multiply_many(const Gemm& product, std::int64_t first, std::int64_t count,
                               std::int64_t first_row, std::int64_t rows, void* scratch,
                               const Multiply& multiply) {
  Expanded w = expanded_in(scratch);
  for (std::int64_t c = first; c < first + count; c += panels_at_once) {
    w.panels = smaller(panels_at_once, first + count - c);
    multiply(w, c);
    const std::int64_t column = c * panel_rows;
    finish_tile(product, {first_row, column, rows, smaller(w.panels * panel_rows, product.N - column)},
                w.sums, sums_stride);
  }
}

// Lines of a weight on their way before their turn comes, up to where a task ends: what lies behind is read
// by another thread. On Zen 5 (a virtual machine) the hardware's own prefetching reaches 15 GB/s where this
// does 40.
class Ahead {
 public:
  HONE_INLINE Ahead(const std::uint8_t* begin, const std::uint8_t* end) : end_(end), next_(begin) {
    const std::uint8_t* until = begin + bytes < end ? begin + bytes : end;
    for (; next_ < until; next_ += 64) __builtin_prefetch(next_);
  }
  // The reader has gone on by so many bytes, at most so many lines: always as many, without a branch.
  template <int lines>
  HONE_INLINE void move(std::int64_t by) {
#pragma GCC unroll 16
    for (int i = 0; i < lines; ++i) __builtin_prefetch(next_ + 64 * i);
    next_ = next_ + by < end_ ? next_ + by : end_;
  }

 private:
  static constexpr std::int64_t bytes = 8192;  // 4096 and less, and 16384, read less in the same time
  const std::uint8_t *end_, *next_;
};

// panel(i, out, ahead) puts the sums of one panel behind out, rows tile_stride apart; here some become
// results. weight(i): where panel i begins.
constexpr std::int64_t direct_panels = 4, tile_stride = direct_panels * panel_rows;
template <int rows, class Weight, class Panel>
HONE_INLINE void multiply_few(const Gemm& product, std::int64_t first, std::int64_t count, std::int64_t row,
                              const Weight& weight, const Panel& panel) {
  Ahead ahead(weight(first), weight(first + count));
  for (std::int64_t c = 0; c < count; c += direct_panels) {
    alignas(64) float tile[rows * tile_stride] = {};
    const std::int64_t panels = smaller(direct_panels, count - c), column = (first + c) * panel_rows;
    for (std::int64_t i = 0; i < panels; ++i) panel(first + c + i, tile + i * panel_rows, ahead);
    finish_tile(product, {row, column, rows, smaller(panels * panel_rows, product.N - column)}, tile,
                tile_stride);
  }
}

// Calls body<bits, minimum>, of codes about zero.
template <class Body>
HONE_INLINE void with_zero_codes(int bits, bool minimum, const Body& body) {
  if (bits == 8) return body.template operator()<8, false>();
  if (minimum) return body.template operator()<4, true>();
  body.template operator()<4, false>();
}

constexpr std::int64_t most_direct_rows = 4;

// few<rows>() for so few rows that they read codes as these lie, else many().
template <class Few, class Many>
HONE_INLINE void by_rows(std::int64_t rows, const Few& few, const Many& many) {
  switch (rows) {
    case 1:
      return few.template operator()<1>();
    case 2:
      return few.template operator()<2>();
    case 3:
      return few.template operator()<3>();
    case most_direct_rows:
      return few.template operator()<most_direct_rows>();
    default:
      many();
  }
}

}  // namespace hone::kernel::HONE_ISA
