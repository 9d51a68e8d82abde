// Dot products of coded rows (kernel/blocks.hpp) with a row of blocks. Products of codes add up exactly, in
// whole numbers, four neighbours at a time; what follows from that in f32 has one shape: element i of a row
// goes to partial sum i / 4 % 16, and units are added in order. Minima have four partial sums, by unit.
#pragma once
#include "kernel/isa/block_formats.hpp"
#include "kernel/isa/blocks_isa.hpp"

namespace hone::kernel::HONE_ISA {

constexpr int eight = 8;  // sums of four products in a unit
typedef float F8 __attribute__((vector_size(eight * 4)));
typedef std::int32_t I8 __attribute__((vector_size(eight * 4)));

// Of w and x, each four neighbours' products. Unsigned w below 64; signed ones at least -128, x at least
// -127, so that no sum of two saturates 16 bits.
template <bool is_signed>
HONE_INLINE I8 products(C w, const std::int8_t* x) {
#if defined(__AVX2__)
  __m256i a = (__m256i)w, b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  if (is_signed) b = _mm256_sign_epi8(b, a), a = _mm256_abs_epi8(a);
#if defined(__AVX512VNNI__)
  return (I8)_mm256_dpbusd_epi32(_mm256_setzero_si256(), a, b);
#elif defined(__AVXVNNI__)
  return (I8)_mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), a, b);
#else
  return (I8)_mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
#endif
#else
  I8 sum{};
  for (int i = 0; i < unit; ++i)
    sum[i / 4] += (is_signed ? static_cast<std::int8_t>(w[i]) : static_cast<int>(w[i])) * x[i];
  return sum;
#endif
}

HONE_INLINE F8 splat_eight(float x) {
#if defined(__AVX2__)
  return (F8)_mm256_set1_ps(x);
#else
  return F8{x, x, x, x, x, x, x, x};
#endif
}
HONE_INLINE F8 two_halves(float low, float high) {
#if defined(__AVX2__)
  return (F8)_mm256_insertf128_ps(_mm256_set1_ps(low), _mm_set1_ps(high), 1);
#else
  return F8{low, low, low, low, high, high, high, high};
#endif
}
HONE_INLINE F8 multiply_add(I8 codes, F8 scale, F8 sum) {
#if defined(__AVX2__)
  return (F8)_mm256_fmadd_ps(_mm256_cvtepi32_ps((__m256i)codes), (__m256)scale, (__m256)sum);
#else
  return __builtin_convertvector(codes, F8) * scale + sum;
#endif
}
HONE_INLINE float multiply_add(float a, float b, float sum) {
#if defined(__AVX2__)
  return __builtin_fmaf(a, b, sum);
#else
  return a * b + sum;
#endif
}

// By halves, as sum() adds sixteen partial sums (simd.hpp).
HONE_INLINE float sum_of_halves(F8 even, F8 odd) {
  const F8 all = even + odd;
#if defined(__AVX2__)
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)all), _mm256_extractf128_ps((__m256)all, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  return ((all[0] + all[4]) + (all[2] + all[6])) + ((all[1] + all[5]) + (all[3] + all[7]));
#endif
}

// What a row of the result is summed up in.
struct DotSum {
  F8 part[2]{};
  float minima[4] = {};
  HONE_INLINE float total() const {
    return sum_of_halves(part[0], part[1]) + ((minima[0] + minima[2]) + (minima[1] + minima[3]));
  }
};

// Unit u of a block, whose first one is unit `at` of the row; `turn` says which partial sums at + u belongs
// to.
template <Element e, int u, int turn, int rows>
HONE_INLINE void add_unit(const std::uint8_t* block, const Scales& s, const CodedRows& x, std::int64_t row,
                          std::int64_t at, DotSum (&sum)[rows]) {
  using Blocks = Format<e>;
  const C w = Blocks::template codes<u>(block);
  const std::int64_t units = x.K / unit;
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
    const std::int64_t number = (row + r) * units + at + u;
    const float d = x.scale[number];
    const I8 four = products<!Blocks::has_minimum>(w, x.codes + number * unit);
    const F8 scale =
        Blocks::halves ? two_halves(d * s.scale[2 * u], d * s.scale[2 * u + 1]) : splat_eight(d * s.scale[u]);
    sum[r].part[turn % 2] = multiply_add(four, scale, sum[r].part[turn % 2]);
    float& least = sum[r].minima[turn % 4];
    if constexpr (Blocks::has_minimum && Blocks::halves) {
      least = multiply_add(s.minimum[2 * u], x.half_sums[2 * number], least);
      least = multiply_add(s.minimum[2 * u + 1], x.half_sums[2 * number + 1], least);
    } else if constexpr (Blocks::has_minimum) {
      least = multiply_add(s.minimum[u], x.sums[number], least);
    }
  }
}

// out[r * out_stride] = x[row + r] . the row of blocks
template <Element e, int rows>
HONE_INLINE void block_dot(const std::uint8_t* blocks, const CodedRows& x, std::int64_t row, float* out,
                           std::int64_t out_stride) {
  constexpr int units = packing(e).elements / unit;
  constexpr std::int64_t bytes = packing(e).bytes;
  const std::int64_t all = x.K / unit;
  DotSum sum[rows];
  Scales s;
  std::int64_t at = 0;
  constexpr int together = units < 4 ? 4 / units : 1;  // blocks, so that each unit's partial sums are known
  const auto one = [&]<int b>() __attribute__((always_inline)) {
    Format<e>::scales(blocks + b * bytes, s);
    each_unit<e>([&]<int u>() __attribute__((always_inline)) {
      add_unit<e, u, b * units + u>(blocks + b * bytes, s, x, row, at + b * units, sum);
    });
  };
  for (; at + together * units <= all; at += together * units, blocks += together * bytes) {
    one.template operator()<0>();
    if constexpr (together > 1) one.template operator()<1>();
    if constexpr (together > 2) one.template operator()<2>(), one.template operator()<3>();
  }
  if constexpr (together > 1)
    if (at < all) one.template operator()<0>();
  if constexpr (together > 2) {
    if (at + 1 < all) one.template operator()<1>();
    if (at + 2 < all) one.template operator()<2>();
  }
  for (int r = 0; r < rows; ++r) out[r * out_stride] = sum[r].total();
}

}  // namespace hone::kernel::HONE_ISA
