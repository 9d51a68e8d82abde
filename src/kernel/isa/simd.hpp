// Vectors for the files in this folder, which are compiled once per instruction set with HONE_ISA naming the
// namespace (machine/builds.hpp lists them). Everything here lives in that namespace and is always inlined,
// so that no function compiled for a wide machine can be linked into code for a narrow one.
//
// F is a vector of `lanes` floats (16, 8 or 4); arithmetic operators work on it. -ffp-contract=off: a product
// and a sum are rounded apart unless fma() is written. All vector builds give the same bits in f32: what one
// does, the others do, and sums over lanes have one shape (sum_lanes).
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define HONE_INLINE __attribute__((always_inline)) inline

namespace hone::kernel::HONE_ISA {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

typedef float F __attribute__((vector_size(lanes * 4)));
typedef std::int32_t I __attribute__((vector_size(lanes * 4)));
typedef std::uint32_t U __attribute__((vector_size(lanes * 4)));
typedef std::uint16_t H __attribute__((vector_size(lanes * 2)));

// Elements of 16 bits in memory, which the vectors of f32 below load and store. (base/types.hpp has structs
// of the same layout, and scalar conversions of the same bits.)
struct bf16 {
  std::uint16_t bits;
};
struct f16 {  // IEEE 754 binary16
  std::uint16_t bits;
};

// (Not 0 + x: that keeps the sign of zero, so g++ adds, where this folds into a broadcast from memory.)
HONE_INLINE F splat(float x) {
#if defined(__AVX512F__)
  return (F)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (F)_mm256_set1_ps(x);
#else
  return F{x, x, x, x};
#endif
}
HONE_INLINE F load(const float* p) {
  F v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
HONE_INLINE void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
HONE_INLINE I bits(F v) {
  I r;
  std::memcpy(&r, &v, sizeof r);
  return r;
}
HONE_INLINE F as_float(I v) {
  F r;
  std::memcpy(&r, &v, sizeof r);
  return r;
}
HONE_INLINE F select(I mask, F yes, F no) { return as_float((bits(yes) & mask) | (bits(no) & ~mask)); }

// a > b ? a : b and a < b ? a : b, so b where either is NaN. (Written so, g++ 12 compares and blends.)
HONE_INLINE F max(F a, F b) {
#if defined(__AVX512F__)
  return (F)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (F)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}
HONE_INLINE F min(F a, F b) {
#if defined(__AVX512F__)
  return (F)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (F)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}

// a * b + c, rounded once where the machine can; the portable build rounds twice.
HONE_INLINE F fma(F a, F b, F c) {
#if defined(__AVX512F__)
  return (F)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (F)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

HONE_INLINE F sqrt(F x) {
#if defined(__AVX512F__)
  return (F)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);  // the plain form makes g++ 12 warn
#elif defined(__AVX2__)
  return (F)_mm256_sqrt_ps((__m256)x);
#else
  for (int i = 0; i < lanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

HONE_INLINE F load(const bf16* p) {
#if defined(__AVX512F__)  // g++ 12 widens a whole vector in halves
  const U wide = (U)_mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256((const __m256i*)p)) << 16;
#elif defined(__AVX2__)
  const U wide = (U)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)) << 16;
#else
  H h;
  std::memcpy(&h, p, sizeof h);
  const U wide = __builtin_convertvector(h, U) << 16;
#endif
  F r;
  std::memcpy(&r, &wide, sizeof r);
  return r;
}

// By F16C, which every CPU with AVX2 has; denormals are kept both ways. AVX-512 FP16 would not be faster
// here: it computes in f16, with sums of 11 bits.
HONE_INLINE F load(const f16* p) {
#if defined(__AVX512F__)
  return (F)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i*)p));
#elif defined(__AVX2__)
  return (F)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
  H h;
  std::memcpy(&h, p, sizeof h);
  const U u = __builtin_convertvector(h, U), magnitude = u & 0x7fffu;
  const U quiet = (U)(magnitude > 0x7c00u) & 0x400000u;
  const U special =
      (U)(magnitude >= 0x7c00u) & (112u << 23);  // the exponent of infinities and NaN goes up twice
  const F normal = as_float((I)(((magnitude << 13) + (112u << 23) + special) | quiet));
  const F small = __builtin_convertvector((I)magnitude, F) * splat(0x1p-24f);
  return as_float(bits(select((I)(magnitude < 0x400u), small, normal)) | (I)((u & 0x8000u) << 16));
#endif
}

template <class T>
HONE_INLINE F rounded_to(F v);

// v rounded to bf16, as f32: to nearest even; NaN stays NaN. The instruction of AVX-512 BF16 flushes
// denormals to zero, the other builds do not.
template <>
HONE_INLINE F rounded_to<bf16>(F v) {
#if defined(__AVX512BF16__)
  const __m256i h = (__m256i)_mm512_cvtneps_pbh((__m512)v);
  return as_float((I)((U)_mm512_maskz_cvtepu16_epi32(0xffff, h) << 16));
#else
  const U u = (U)bits(v);
  const U up = u + 0x7fffu + ((u >> 16) & 1u), quiet = u | 0x400000u;
  return as_float((I)((U)bits(select(v != v, as_float((I)quiet), as_float((I)up))) & 0xffff0000u));
#endif
}
// A v that bf16 can hold. (Left to itself g++ 12 narrows lane by lane.)
HONE_INLINE void store_exact(bf16* p, F v) {
  const U half = (U)bits(v) >> 16;
#if defined(__AVX512F__)
  const __m256i h = _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)half);
#elif defined(__AVX2__)
  const __m128i h =
      _mm_packus_epi32(_mm256_castsi256_si128((__m256i)half), _mm256_extracti128_si256((__m256i)half, 1));
#else
  const H h = __builtin_convertvector(half, H);
#endif
  std::memcpy(p, &h, sizeof h);
}
HONE_INLINE void store_exact(float* p, F v) { store(p, v); }
HONE_INLINE void store(bf16* p, F v) {
#if defined(__AVX512BF16__)
  const __m256bh h = _mm512_cvtneps_pbh((__m512)v);
  std::memcpy(p, &h, sizeof h);
#else
  store_exact(p, rounded_to<bf16>(v));
#endif
}

// To nearest even; from 65520 on infinite; NaN stays NaN.
HONE_INLINE void store(f16* p, F v) {
#if defined(__AVX512F__)
  const __m256i h = _mm512_maskz_cvtps_ph(0xffff, (__m512)v, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__AVX2__)
  const __m128i h = _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
#else
  const U magnitude = (U)bits(v) & 0x7fffffffu, sign = ((U)bits(v) >> 16) & 0x8000u;
  const U up = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  const U small = (U)bits(as_float((I)magnitude) + splat(0.5f)) - 0x3f000000u;  // the adder rounds at 2^-24
  const U infinite = {0x7c00u, 0x7c00u, 0x7c00u, 0x7c00u}, nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  U all = (I)(magnitude < 0x38800000u) ? small : up;
  all = (I)(magnitude >= 0x47800000u) ? infinite : all;
  all = (I)(magnitude > 0x7f800000u) ? nan : all;
  const H h = __builtin_convertvector(all | sign, H);
#endif
  std::memcpy(p, &h, sizeof h);
}
HONE_INLINE void store_exact(f16* p, F v) { store(p, v); }
template <>
HONE_INLINE F rounded_to<f16>(F v) {
  f16 narrow[lanes];
  store(narrow, v);
  return load(narrow);
}
template <>
HONE_INLINE F rounded_to<float>(F v) {
  return v;
}

// Tails: the first n < lanes elements; the rest read as zero and are not written.
template <class T>
HONE_INLINE F load_first(const T* p, int n) {
  T buffer[lanes] = {};
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof(T));
  return load(buffer);
}
template <class T>
HONE_INLINE void store_first(T* p, F v, int n) {
  T buffer[lanes];
  store(buffer, v);
  std::memcpy(p, buffer, static_cast<std::size_t>(n) * sizeof(T));
}

// A sum over a row has 16 partial sums whatever the vector's width: element i goes to number i % 16.
constexpr int sum_lanes = 16, sum_parts = sum_lanes / lanes;

// They are added by halves: ((0+8)+(4+12))+..., one fixed tree, whose first steps are whole vectors.
HONE_INLINE F halved(const F (&part)[sum_parts]) {
  if constexpr (sum_parts == 4) return (part[0] + part[2]) + (part[1] + part[3]);
  if constexpr (sum_parts == 2) return part[0] + part[1];
  return part[0];
}
HONE_INLINE float sum(const F (&part)[sum_parts]) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)part[0]);  // that tree, and not through memory
#elif defined(__AVX2__)
  const __m256 eight = (__m256)halved(part);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  const F four = halved(part);
  return (four[0] + four[2]) + (four[1] + four[3]);
#endif
}
HONE_INLINE float max(F v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps((__m512)v);
#elif defined(__AVX2__)
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
#else
  float x[lanes];
  store(x, v);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] = x[i] < x[i + half] ? x[i + half] : x[i];
  return x[0];
#endif
}

// e^(x - n ln 2) where n = round(x log2 e), so that |the exponent| <= ln2/2: Taylor to degree 6.
HONE_INLINE F exp_rest(F x, F n) {
  F r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  F p = splat(1.0f / 720);
  p = fma(p, r, splat(1.0f / 120));
  p = fma(p, r, splat(1.0f / 24));
  p = fma(p, r, splat(1.0f / 6));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  return fma(p, r, splat(1.0f));
}

// e^x for x in [-87, 88], clamped outside (so e^-inf is about 1e-38, not 0); relative error 1e-7.
HONE_INLINE F exp(F x) {
  x = min(max(x, splat(-87.0f)), splat(88.0f));
  const F magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const F n = fma(x, splat(1.44269504f), magic) - magic;
  return as_float(bits(exp_rest(x, n)) + (__builtin_convertvector(n, I) << 23));
}

}  // namespace hone::kernel::HONE_ISA
