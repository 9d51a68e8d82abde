// Packing of plain rows into units (gemm_isa.hpp). What lies outside the matrix becomes zero.
#pragma once
#include "kernel/isa/gemm_isa.hpp"
#include "kernel/isa/gemm_tile.hpp"
#include "kernel/isa/loops.hpp"
#include "kernel/isa/transpose.hpp"

namespace hone::kernel::HONE_ISA {

HONE_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
HONE_INLINE std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }
HONE_INLINE std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

template <class T>
HONE_INLINE F load_valid(const T* p, std::int64_t n) {
  return n >= lanes ? load(p) : n > 0 ? load_first(p, static_cast<int>(n)) : F{};
}

// `lanes` units that lie along a row of T at p, of which `n` elements are inside.
template <int pair, class T>
HONE_INLINE F units_along(const T* p, std::int64_t n) {
  if constexpr (pair == 1) {
    return load_valid(p, n);
  } else {
    F units{};
    if (n >= 2 * lanes)
      std::memcpy(&units, p, sizeof units);
    else if (n > 0)
      std::memcpy(&units, p, static_cast<std::size_t>(n) * sizeof(T));
    return units;
  }
}

template <class T>
HONE_INLINE F units_along(const T* p, std::int64_t n) {
  return units_along<pair_of<T>>(p, n);
}

// `lanes` units that run down: columns at p (n of them inside), in row p and, for a pair, in the one below,
// which is inside or not.
template <class T>
HONE_INLINE F units_down(const T* p, std::int64_t stride, bool below, std::int64_t n) {
#if defined(__AVX512F__)
  if constexpr (pair_of<T> == 2) {
    __m256i low, high;
    if (below && n >= lanes) {
      low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
      high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + stride));
    } else {
      const __mmask16 mask = n >= lanes ? 0xffff : n > 0 ? static_cast<__mmask16>((1u << n) - 1) : 0;
      low = _mm256_maskz_loadu_epi16(mask, p);
      high = _mm256_maskz_loadu_epi16(below ? mask : 0, p + (below ? stride : 0));
    }
    // The forms with a full mask, and << of vectors: g++ 12 warns of its own plain forms.
    const U high_units = (U)_mm512_maskz_cvtepu16_epi32(0xffff, high) << 16;
    return as_float((I)((U)_mm512_maskz_cvtepu16_epi32(0xffff, low) | high_units));
  }
#endif
  (void)stride, (void)below;
  return load_valid(p, n);
}

// The same columns some rows further down: with a page between rows the hardware's prefetchers do not help.
template <class T>
HONE_INLINE void prefetch_ahead(const T* row, std::int64_t stride, std::int64_t columns) {
  constexpr std::int64_t rows_ahead = 16;
  for (int i = 0; i < pair_of<T>; ++i)
    for (std::int64_t c = 0; c < columns; c += 64 / static_cast<std::int64_t>(sizeof(T)))
      __builtin_prefetch(row + (rows_ahead + i) * stride + c);
}

// From one panel of so many units to the next.
HONE_INLINE std::int64_t panel_units(std::int64_t units) { return units * panel_columns + panel_gap; }

// Panels of b[k_count rows, columns], row by row: whole lines in order, which the hardware fetches ahead.
// `panel`: from one to the next.
template <class T>
HONE_INLINE void pack_rows(const T* b, std::int64_t stride, std::int64_t k_count, std::int64_t columns,
                           std::int64_t panel, std::uint32_t* out) {
  const std::int64_t whole = columns / panel_columns * panel_columns,
                     rest_width = round_up(columns - whole, lanes);
  float* to = reinterpret_cast<float*>(out);
  float* to_rest = to + whole / panel_columns * panel;
  for (std::int64_t k = 0; k < k_count; k += pair_of<T>, b += pair_of<T> * stride, to += panel_columns) {
    const bool below = k + 1 < k_count;
    prefetch_ahead(b, stride, columns);
    float* at = to;
    for (std::int64_t c = 0; c < whole; c += panel_columns, at += panel)
      for (std::int64_t v = 0; v < panel_columns; v += lanes)
        store(at + v, units_down(b + c + v, stride, below, lanes));
    for (std::int64_t c = 0; c < rest_width; c += lanes, to_rest += lanes)
      store(to_rest, units_down(b + whole + c, stride, below, columns - whole - c));
  }
}

// `lanes` columns of a panel, from as many rows of b[columns, K]; those below `columns` are inside.
template <class T>
HONE_INLINE void pack_lanes(const T* b, std::int64_t stride, std::int64_t k_count, std::int64_t columns,
                            std::int64_t width, float* out) {
  const std::int64_t units = divide_up(k_count, pair_of<T>);
  for (std::int64_t u = 0; u < units; u += lanes) {
    const std::int64_t k = u * pair_of<T>;
    F rows[lanes];
    for (int i = 0; i < lanes; ++i)
      rows[i] = i < columns ? units_along(b + i * stride + k, k_count - k) : F{};
    for (int i = 0; i < lanes; ++i) __builtin_prefetch(b + (lanes + i) * stride + k);
    transpose(rows);
    for (int i = 0; i < lanes; ++i)
      if (u + i < units) store(out + (u + i) * width, rows[i]);
  }
}

// out[units][width] from b[columns, K]; `columns` <= width are inside.
template <class T>
HONE_INLINE void pack_transposed(const T* b, std::int64_t stride, std::int64_t k_count, std::int64_t columns,
                                 std::int64_t width, std::uint32_t* out) {
  for (std::int64_t c = 0; c < width; c += lanes)
    pack_lanes(b + c * stride, stride, k_count, columns - c, width, reinterpret_cast<float*>(out) + c);
}

}  // namespace hone::kernel::HONE_ISA
