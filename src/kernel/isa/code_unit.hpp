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

HONE_INLINE void store_codes(std::int8_t* to, I whole) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)whole));
#else
  for (int i = 0; i < lanes; ++i) to[i] = static_cast<std::int8_t>(whole[i]);
#endif
}
HONE_INLINE std::int32_t sum_of_lanes(I x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_epi32((__m512i)x);
#else
  std::int32_t sum = 0;
  for (int i = 0; i < lanes; ++i) sum += x[i];
  return sum;
#endif
}

struct CodedUnit {
  float scale;
  std::int32_t halves[2];  // sums of 16 codes each
};

// The largest magnitude becomes 127, as in ggml's Q8_0.
template <class T>
HONE_INLINE CodedUnit code_unit(const T* x, std::int8_t* codes) {
  F v[unit / lanes], largest{}, zeros[sum_parts] = {};
#pragma GCC unroll 8
  for (int i = 0; i < unit / lanes; ++i) {
    v[i] = load(x + i * lanes);
    largest = max(largest, magnitude(v[i]));
    zeros[i % sum_parts] += v[i] * splat(0.0f);  // or NaN, which no code would show
  }
  const float most = max(largest);
  CodedUnit u{most / 127.0f + sum(zeros), {}};
  const F inverse = splat(most > 0 ? 127.0f / most : 0.0f);
#pragma GCC unroll 8
  for (int i = 0; i < unit / lanes; ++i) {
    const I code = __builtin_convertvector(rounded_whole(v[i] * inverse), I);
    store_codes(codes + i * lanes, code);
    u.halves[i * lanes / 16] += sum_of_lanes(code);
  }
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
