// Philox4x32-10 of as many consecutive counters as a vector has lanes; the bits of base/random.hpp's
// philox().
#pragma once
#include <cstdint>

#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

// hi, lo = the halves of a * m, lane by lane. (Masked forms with all lanes set: the plain ones make g++ 12
// warn of an uninitialised operand, and the code is the same.)
HONE_INLINE void multiply_wide(U a, std::uint32_t m, U& hi, U& lo) {
#if defined(__AVX512F__)
  const __m512i x = (__m512i)a, y = _mm512_set1_epi32(static_cast<int>(m));
  const __m512i even = _mm512_maskz_mul_epu32(0xff, x, y);
  const __m512i odd = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, x, 32), y);
  lo = (U)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_maskz_slli_epi64(0xff, odd, 32));
  hi = (U)_mm512_mask_blend_epi32(0xaaaa, _mm512_maskz_srli_epi64(0xff, even, 32), odd);
#elif defined(__AVX2__)
  const __m256i x = (__m256i)a, y = _mm256_set1_epi32(static_cast<int>(m));
  const __m256i even = _mm256_mul_epu32(x, y), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), y);
  lo = (U)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  hi = (U)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
  for (int i = 0; i < lanes; ++i) {
    const std::uint64_t wide = static_cast<std::uint64_t>(a[i]) * m;
    hi[i] = static_cast<std::uint32_t>(wide >> 32);
    lo[i] = static_cast<std::uint32_t>(wide);
  }
#endif
}

// The four words of lane 4q + j of c to words [(j * lanes / 4 + q) * 4] and on.
HONE_INLINE void store_transposed(const U (&c)[4], void* words) {
#if defined(__AVX512F__)
  const __m512i ab = _mm512_maskz_unpacklo_epi32(0xffff, (__m512i)c[0], (__m512i)c[1]);
  const __m512i AB = _mm512_maskz_unpackhi_epi32(0xffff, (__m512i)c[0], (__m512i)c[1]);
  const __m512i cd = _mm512_maskz_unpacklo_epi32(0xffff, (__m512i)c[2], (__m512i)c[3]);
  const __m512i CD = _mm512_maskz_unpackhi_epi32(0xffff, (__m512i)c[2], (__m512i)c[3]);
  auto* to = static_cast<__m512i*>(words);
  _mm512_storeu_si512(to, _mm512_maskz_unpacklo_epi64(0xff, ab, cd));
  _mm512_storeu_si512(to + 1, _mm512_maskz_unpackhi_epi64(0xff, ab, cd));
  _mm512_storeu_si512(to + 2, _mm512_maskz_unpacklo_epi64(0xff, AB, CD));
  _mm512_storeu_si512(to + 3, _mm512_maskz_unpackhi_epi64(0xff, AB, CD));
#elif defined(__AVX2__)
  const __m256i ab = _mm256_unpacklo_epi32((__m256i)c[0], (__m256i)c[1]);
  const __m256i AB = _mm256_unpackhi_epi32((__m256i)c[0], (__m256i)c[1]);
  const __m256i cd = _mm256_unpacklo_epi32((__m256i)c[2], (__m256i)c[3]);
  const __m256i CD = _mm256_unpackhi_epi32((__m256i)c[2], (__m256i)c[3]);
  auto* to = static_cast<__m256i*>(words);
  _mm256_storeu_si256(to, _mm256_unpacklo_epi64(ab, cd));
  _mm256_storeu_si256(to + 1, _mm256_unpackhi_epi64(ab, cd));
  _mm256_storeu_si256(to + 2, _mm256_unpacklo_epi64(AB, CD));
  _mm256_storeu_si256(to + 3, _mm256_unpackhi_epi64(AB, CD));
#else
  std::uint32_t all[4 * lanes];
  for (int i = 0; i < lanes; ++i)
    for (int word = 0; word < 4; ++word) all[(i % 4 * (lanes / 4) + i / 4) * 4 + word] = c[word][i];
  std::memcpy(words, all, sizeof all);
#endif
}

// To words, 16 * lanes bytes: those of philox(key, first + k, 0) for k = 0, 1, ... lanes - 1. Lane 4q + j
// works on counter j * lanes / 4 + q, so that the words come out in order from two rounds of interleaving.
HONE_INLINE void philox_words(std::uint64_t key, std::uint64_t first, void* words) {
  U counter;
  for (int i = 0; i < lanes; ++i) counter[i] = static_cast<std::uint32_t>(i % 4 * (lanes / 4) + i / 4);
  const U low = counter + static_cast<std::uint32_t>(first);
  const U carry = (U)(low < counter) & 1u;
  U c[4] = {low, carry + static_cast<std::uint32_t>(first >> 32), U{}, U{}};
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    U a_hi, a_lo, b_hi, b_lo;
    multiply_wide(c[0], 0xD2511F53u, a_hi, a_lo);
    multiply_wide(c[2], 0xCD9E8D57u, b_hi, b_lo);
    c[0] = b_hi ^ c[1] ^ k0;
    c[1] = b_lo;
    c[2] = a_hi ^ c[3] ^ k1;
    c[3] = a_lo;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  store_transposed(c, words);
}

}  // namespace hone::kernel::HONE_ISA
