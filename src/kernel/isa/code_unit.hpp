// One unit of activations as codes of eight bits.
#pragma once
#include "kernel/isa/codes.hpp"
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

HONE_INLINE F magnitude(F x) { return as_float(bits(x) & 0x7fffffff); }

// To the nearest whole number, of |x| < 2^22: in every build the adder's rounding.
HONE_INLINE F rounded_whole(F x) {
  const F magic = splat(12582912.0f);  // 1.5 * 2^23
  return (x + magic) - magic;
}

// A unit's codes as bytes, and the sums of each half.
constexpr int vectors_of_unit = unit / lanes;
HONE_INLINE void store_unit(std::int8_t* to, const I (&whole)[vectors_of_unit], std::int32_t (&halves)[2]) {
#if defined(__AVX512F__)
  for (int i = 0; i < 2; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * i),
                     _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)whole[i]));
    halves[i] = _mm512_reduce_add_epi32((__m512i)whole[i]);
  }
#elif defined(__AVX2__)
  const __m256i *const v = reinterpret_cast<const __m256i*>(whole),
                       mixed = _mm256_packs_epi16(
                           _mm256_packs_epi32(v[0], v[1]),
                           _mm256_packs_epi32(v[2], v[3]));  // fours of 0 1 2 3, then their others
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(mixed, order));
  const __m256i pairs = _mm256_hadd_epi32(_mm256_add_epi32(v[0], v[1]), _mm256_add_epi32(v[2], v[3]));
  const __m128i fours = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  const __m128i sums = _mm_hadd_epi32(fours, fours);
  halves[0] = _mm_cvtsi128_si32(sums), halves[1] = _mm_extract_epi32(sums, 1);
#else
  halves[0] = halves[1] = 0;
  for (int i = 0; i < unit; ++i) {
    to[i] = static_cast<std::int8_t>(whole[i / lanes][i % lanes]);
    halves[i / 16] += to[i];
  }
#endif
}

struct CodedUnit {
  float scale;
  std::int32_t halves[2];  // sums of 16 codes each
};

// The largest magnitude becomes 127, as in ggml's Q8_0.
template <class T>
HONE_INLINE CodedUnit code_unit(const T* x, std::int8_t* codes) {
  F v[vectors_of_unit], largest{}, zeros[sum_parts] = {};
#pragma GCC unroll 8
  for (int i = 0; i < vectors_of_unit; ++i) {
    v[i] = load(x + i * lanes);
    largest = max(largest, magnitude(v[i]));
    zeros[i % sum_parts] += v[i] * splat(0.0f);  // or NaN, which no code would show
  }
  const float most = max(largest);
  CodedUnit u{most / 127.0f + sum(zeros), {}};
  const F inverse = splat(most > 0 ? 127.0f / most : 0.0f);
  I whole[vectors_of_unit];
#pragma GCC unroll 8
  for (int i = 0; i < vectors_of_unit; ++i)
    whole[i] = __builtin_convertvector(rounded_whole(v[i] * inverse), I);
  store_unit(codes, whole, u.halves);
  return u;
}

// A unit of a row's end: `count` elements of x, 0 or less where it lies behind them, and zeros.
template <class T>
[[gnu::noinline]] CodedUnit code_rest(const T* x, std::int64_t count, std::int8_t* codes) {
  T elements[unit] = {};
  if (count > 0) std::memcpy(elements, x, static_cast<std::size_t>(count) * sizeof(T));
  return code_unit(elements, codes);
}

// Calls put(u, coded) with each of so many units of a row of `width` elements.
template <class T, class Put>
HONE_INLINE void code_row(const T* x, std::int64_t width, std::int64_t units, std::int8_t* codes,
                          const Put& put) {
  const std::int64_t whole = width / unit;
  for (std::int64_t u = 0; u < whole; ++u) put(u, code_unit(x + u * unit, codes + u * unit));
  for (std::int64_t u = whole; u < units; ++u)
    put(u, code_rest(x + u * unit, width - u * unit, codes + u * unit));
}

}  // namespace hone::kernel::HONE_ISA
