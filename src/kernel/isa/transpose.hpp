// A square of vectors, transposed in registers.
#pragma once
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

// Lane i of row j and lane j of row i change places for every i, j.
HONE_INLINE void transpose(F (&m)[lanes]) {
#if defined(__AVX512F__)
  __m512i t[16], u[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32((__m512i)m[i], (__m512i)m[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32((__m512i)m[i], (__m512i)m[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    const __m512i a = _mm512_shuffle_i32x4(u[i], u[i + 4], 0x88),
                  b = _mm512_shuffle_i32x4(u[i], u[i + 4], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(u[i + 8], u[i + 12], 0x88);
    const __m512i d = _mm512_shuffle_i32x4(u[i + 8], u[i + 12], 0xdd);
    m[i] = (F)_mm512_shuffle_i32x4(a, c, 0x88);
    m[i + 4] = (F)_mm512_shuffle_i32x4(b, d, 0x88);
    m[i + 8] = (F)_mm512_shuffle_i32x4(a, c, 0xdd);
    m[i + 12] = (F)_mm512_shuffle_i32x4(b, d, 0xdd);
  }
#elif defined(__AVX2__)
  __m256 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps((__m256)m[i], (__m256)m[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps((__m256)m[i], (__m256)m[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      u[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
      u[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    m[i] = (F)_mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    m[i + 4] = (F)_mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
#else
  const F ab = __builtin_shufflevector(m[0], m[1], 0, 4, 1, 5),
          AB = __builtin_shufflevector(m[0], m[1], 2, 6, 3, 7);
  const F cd = __builtin_shufflevector(m[2], m[3], 0, 4, 1, 5),
          CD = __builtin_shufflevector(m[2], m[3], 2, 6, 3, 7);
  m[0] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  m[1] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  m[2] = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
  m[3] = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
#endif
}

}  // namespace hone::kernel::HONE_ISA
