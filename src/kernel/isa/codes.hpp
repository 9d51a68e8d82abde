// 32 codes of a quantized weight, a byte each, and how formats pack them.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

constexpr int unit = 32;  // elements

typedef std::uint8_t C __attribute__((vector_size(unit)));

HONE_INLINE C splat_code(int x) {
#if defined(__AVX2__)
  return (C)_mm256_set1_epi8(static_cast<char>(x));
#else
  return C{} + static_cast<std::uint8_t>(x);
#endif
}
HONE_INLINE C load_codes(const std::uint8_t* p) {
  C c;
  std::memcpy(&c, p, sizeof c);
  return c;
}

// (c >> shift) & mask, of each byte
template <int shift>
HONE_INLINE C bits_at(C c, int mask) {
#if defined(__AVX2__)  // 16 bits at a time: what comes from the neighbour is masked away
  return (C)_mm256_srli_epi16((__m256i)c, shift) & splat_code(mask);
#else
  return (c >> shift) & splat_code(mask);
#endif
}
// c << shift of bytes that have room for it
template <int shift>
HONE_INLINE C up(C c) {
#if defined(__AVX2__)
  return (C)_mm256_slli_epi16((__m256i)c, shift);
#else
  return c << shift;
#endif
}

// 16 bytes: their lower halves, then their upper ones.
HONE_INLINE C nibbles(const std::uint8_t* p) {
#if defined(__AVX2__)
  const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m256i halves = _mm256_inserti128_si256(_mm256_castsi128_si256(both), _mm_srli_epi16(both, 4), 1);
  return (C)halves & splat_code(15);
#else
  C c;
  for (int i = 0; i < 16; ++i) c[i] = p[i] & 15, c[i + 16] = p[i] >> 4;
  return c;
#endif
}

// Two bits each: of a block of so many units, code i lies in byte i % (8 * units), at bit i / (8 * units)
// * 2. Unit u of it.
template <int units, int u>
HONE_INLINE C two_bits(const std::uint8_t* p) {
#if defined(__AVX2__)
  if constexpr (units == 1) {
    std::int64_t eight;
    std::memcpy(&eight, p, sizeof eight);
    return (C)_mm256_srlv_epi64(_mm256_set1_epi64x(eight), _mm256_setr_epi64x(0, 2, 4, 6)) & splat_code(3);
  } else if constexpr (units == 2) {
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m256i halves = _mm256_inserti128_si256(_mm256_castsi128_si256(both), _mm_srli_epi16(both, 2), 1);
    return bits_at<4 * u>((C)halves, 3);
  } else {
    return bits_at<2 * u>(load_codes(p), 3);
  }
#else
  C c;
  constexpr int bytes = 8 * units;
  for (int i = 0; i < unit; ++i) c[i] = p[(unit * u + i) % bytes] >> ((unit * u + i) / bytes * 2) & 3;
  return c;
#endif
}

// Bit i of four bytes, times `value`.
template <int value>
HONE_INLINE C one_bit(const std::uint8_t* p) {
  std::uint32_t bits;
  std::memcpy(&bits, p, sizeof bits);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  return (C)_mm256_maskz_set1_epi8(bits, value);
#elif defined(__AVX2__)
  const __m256i byte_of = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), byte_of);
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  return (C)_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit) & splat_code(value);
#else
  C c;
  for (int i = 0; i < unit; ++i) c[i] = static_cast<std::uint8_t>((bits >> i & 1) * value);
  return c;
#endif
}

HONE_INLINE float from_f16(const std::uint8_t* p) {
#if defined(__AVX2__)
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return _cvtsh_ss(bits);
#else
  f16 x;
  std::memcpy(&x, p, sizeof x);
  return load_first(&x, 1)[0];
#endif
}

}  // namespace hone::kernel::HONE_ISA
