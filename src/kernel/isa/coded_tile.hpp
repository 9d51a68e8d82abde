// A tile of products of coded rows with panels (kernel/coded_product.hpp): some rows by some columns.
//
// Codes of a unit of 32 multiply and add up in whole numbers, exactly, so in whatever way a build does it; to
// the sum in f32 a unit adds fma(sum of codes, scales' product, .) and then fma(minimum, sum of x, .), units
// in order. So a result has the same bits for any number of rows, and on every vector instruction set.
#pragma once
#include "kernel/isa/coded_product_isa.hpp"
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

// A vector has the codes of four neighbours for each of so many columns of a panel.
#if defined(__AVX512VNNI__)
constexpr int vector_columns = 16;
#else
constexpr int vector_columns = 8;
#endif
constexpr int parts_of_panel = panel_rows / vector_columns, steps = 8;

typedef std::uint8_t B __attribute__((vector_size(vector_columns * 4)));
typedef std::uint16_t B2 __attribute__((vector_size(vector_columns * 4)));
typedef std::int32_t S __attribute__((vector_size(vector_columns * 4)));
typedef float E __attribute__((vector_size(vector_columns * 4)));

template <class V>
HONE_INLINE V load_as(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
HONE_INLINE E splat_columns(float x) {
#if defined(__AVX512VNNI__)
  return (E)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (E)_mm256_set1_ps(x);
#else
  return E{x, x, x, x, x, x, x, x};
#endif
}
HONE_INLINE E multiply_add_columns(E a, E b, E sum) {
#if defined(__AVX512VNNI__)
  return (E)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#elif defined(__AVX2__)
  return (E)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum);
#else
  return a * b + sum;
#endif
}
HONE_INLINE E halves_of(const std::uint8_t* p) {  // f16
#if defined(__AVX512VNNI__)
  return (E)_mm512_maskz_cvtph_ps(0xffff, load_as<__m256i>(p));
#elif defined(__AVX2__)
  return (E)_mm256_cvtph_ps(load_as<__m128i>(p));
#else
  E e;
  for (int i = 0; i < vector_columns; ++i) {
    f16 x;
    std::memcpy(&x, p + 2 * i, sizeof x);
    e[i] = load_first(&x, 1)[0];
  }
  return e;
#endif
}

// (codes >> shift) & mask, of each byte: 16 bits at a time, what comes from the neighbour is masked away.
template <int shift, int mask>
HONE_INLINE B bits_of(B codes) {
  constexpr auto both = static_cast<std::uint16_t>(mask << 8 | mask);
  return (B)(((B2)codes >> shift) & both);
}

// Unsigned codes of step j, of a unit that lies packed at p.
template <int bits, int j>
HONE_INLINE B packed_codes(const std::uint8_t* p) {
  if constexpr (bits == 8)
    return load_as<B>(p + 64 * j);
  else if constexpr (bits == 4)
    return bits_of<j / 4 * 4, 15>(load_as<B>(p + j % 4 * 64));
  else if constexpr (bits == 2)
    return bits_of<j % 4 * 2, 3>(load_as<B>(p + j / 4 * 64));
  else
    return packed_codes<2, j>(p) | (B)((B2)bits_of<j, 1>(load_as<B>(p + 128)) << 2);
}

// Sums of the codes of a row times those of some columns. Codes of a weight are below 16 (`narrow`), so that
// in 16 bits the sums of a unit's pairs fit: 8 * 2 * 15 * 127 = 30480; or of eight bits, from 0 to 255.
template <bool narrow>
struct UnitSum {
#if defined(__AVX512VNNI__)
  __m512i sum;
  HONE_INLINE void begin(std::int32_t from) { sum = _mm512_set1_epi32(from); }
  HONE_INLINE void add(B codes, std::int32_t four) {
    sum = _mm512_dpbusd_epi32(sum, (__m512i)codes, _mm512_set1_epi32(four));
  }
  HONE_INLINE E whole() const { return (E)_mm512_maskz_cvtepi32_ps(0xffff, sum); }
#elif defined(__AVXVNNI__)
  __m256i sum;
  HONE_INLINE void begin(std::int32_t from) { sum = _mm256_set1_epi32(from); }
  HONE_INLINE void add(B codes, std::int32_t four) {
    sum = _mm256_dpbusd_avx_epi32(sum, (__m256i)codes, _mm256_set1_epi32(four));
    asm("" : "+x"(sum));  // as below
  }
  HONE_INLINE E whole() const { return (E)_mm256_cvtepi32_ps(sum); }
#elif defined(__AVX2__)
  __m256i sum;
  std::int32_t begun;
  HONE_INLINE void begin(std::int32_t from) { sum = _mm256_setzero_si256(), begun = from; }
  HONE_INLINE void add(B codes, std::int32_t four) {
    const __m256i x = _mm256_set1_epi32(four);
    if constexpr (narrow) {
      sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16((__m256i)codes, x));
    } else {  // about zero, by -128, so that no sum of two saturates
      const __m256i w = _mm256_xor_si256((__m256i)codes, _mm256_set1_epi8(-128));
      const __m256i two = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
    }
    // Sums are added to at once: g++ 12 makes all products of a unit first, and spills them.
    asm("" : "+x"(sum));
  }
  HONE_INLINE E whole() const {
    if constexpr (!narrow) return (E)_mm256_cvtepi32_ps(sum);
    const __m256i all = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    return (E)_mm256_cvtepi32_ps(_mm256_add_epi32(all, _mm256_set1_epi32(begun)));
  }
#else
  std::int32_t sum[vector_columns];
  HONE_INLINE void begin(std::int32_t from) {
    for (std::int32_t& s : sum) s = from;
  }
  HONE_INLINE void add(B codes, std::int32_t four) {
    std::int8_t x[4];
    std::memcpy(x, &four, sizeof x);
    for (int i = 0; i < 4 * vector_columns; ++i) sum[i / 4] += codes[i] * x[i % 4];
  }
  HONE_INLINE E whole() const {
    E e;
    for (int i = 0; i < vector_columns; ++i) e[i] = static_cast<float>(sum[i]);
    return e;
  }
#endif
};

// What the rows of a tile are: coded, from row `first` on.
struct TileRows {
  const std::int8_t* codes;
  const float* scales;
  const std::int32_t* sums;
  std::int64_t K;

  HONE_INLINE std::int32_t four(int row, std::int64_t u, int step) const {
    return load_as<std::int32_t>(codes + row * K + u * 32 + step * 4);
  }
  HONE_INLINE float scale(int row, std::int64_t u) const { return scales[2 * (row * (K / 32) + u)]; }
  HONE_INLINE float sum(int row, std::int64_t u) const { return scales[2 * (row * (K / 32) + u) + 1]; }
  HONE_INLINE std::int32_t codes_sum(int row, std::int64_t u) const { return sums[row * (K / 32) + u]; }
};
HONE_INLINE TileRows rows_from(const RowCodes& a, std::int64_t first) {
  const std::int64_t units = a.K / 32;
  return {a.codes + first * a.K, a.scales + 2 * first * units, a.sums + first * units, a.K};
}

template <int step, class Body>
HONE_INLINE void each_step(const Body& body) {
  body.template operator()<step>();
  if constexpr (step + 1 < steps) each_step<step + 1>(body);
}

// Adds unit `u` of k to sums of rows x vectors. `codes`(step, vector) are a weight's, `scale` and `minimum`
// (vector) its group's. zero: the code that means 0, where there is no minimum.
template <bool narrow, bool minimum, int rows, int vectors, class Codes, class Scale, class Minimum>
HONE_INLINE void add_unit(const TileRows& x, std::int64_t u, int zero, const Codes& codes, const Scale& scale,
                          const Minimum& least, E (&sum)[rows][vectors]) {
  // What the AVX2 build takes off codes of eight bits already is 128, their zero.
#if defined(__AVX2__) && !defined(__AVX512VNNI__) && !defined(__AVXVNNI__)
  const std::int32_t off = narrow ? zero : 0;
#else
  const std::int32_t off = zero;
#endif
  UnitSum<narrow> whole[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) whole[r][v].begin(minimum ? 0 : -off * x.codes_sum(r, u));
  each_step<0>([&]<int j>() __attribute__((always_inline)) {
    B w[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) w[v] = codes.template operator()<j>(v);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const std::int32_t four = x.four(r, u, j);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) whole[r][v].add(w[v], four);
    }
  });
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) {
    const E s = scale(v);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      sum[r][v] = multiply_add_columns(whole[r][v].whole(), s * splat_columns(x.scale(r, u)), sum[r][v]);
      if constexpr (minimum)
        sum[r][v] = multiply_add_columns(least(v), splat_columns(x.sum(r, u)), sum[r][v]);
    }
  }
}

}  // namespace hone::kernel::HONE_ISA
