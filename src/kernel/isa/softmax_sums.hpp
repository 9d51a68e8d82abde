// Sums of e^x over a row, chunk by chunk, as losses take them.
#pragma once
#include <cstdint>

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {

// A row is read once from memory: a chunk's maximum, then its sum from L1. f32 sums of a chunk keep 1e-7;
// chunks are added in f64.
constexpr std::int64_t softmax_chunk = 4096;

constexpr float infinity = __builtin_inff();

// e^x for x <= 80; 0 below -87 (e^-87 = 1.6e-38), NaN for NaN: a lost NaN would hide a broken step.
// simd.hpp's polynomial without its clamps, a third fewer operations: adding 1.5 * 2^23 + 127 rounds n = x
// log2 e to a whole number and leaves n + 127, the exponent of 2^n, in the low bits.
HONE_INLINE F exp_or_zero(F x) {
  const F magic = splat(12582912.0f + 127.0f);
  const F t = fma(x, splat(1.44269504f), magic);
  const F n = t - magic;
  return select(x < splat(-87.0f), F{}, exp_rest(x, n) * as_float(bits(t) << 23));
}

template <class T>
HONE_INLINE float max_of(const T* x, std::int64_t n) {
  F m[4];
  for (F& v : m) v = splat(-infinity);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) m[k] = max(load(x + i + k * lanes), m[k]);
  each(n - i, [&](std::int64_t j, auto part) {
    m[0] = max(first_of(get(x + i + j, part), splat(-infinity), part), m[0]);
  });
  return max(max(max(m[0], m[1]), max(m[2], m[3])));
}

template <class T>
HONE_INLINE double exp_sum_of(const T* x, std::int64_t n, float shift) {
  return sum_of(n, [&](std::int64_t i, auto part) {
    return first_of(exp_or_zero(get(x + i, part) - splat(shift)), F{}, part);
  });
}

}  // namespace hone::kernel::HONE_ISA
