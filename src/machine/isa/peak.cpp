// Twelve independent accumulators: enough for a latency of up to six cycles on two units. The empty asm keeps
// the compiler from working the loop out beforehand and costs no instruction.
#include "machine/isa/peak.hpp"

#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace hone::HONE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int width = 64;
#define HONE_VECTOR_REGISTER "+v"
#elif defined(__AVX2__)
constexpr int width = 32;
#define HONE_VECTOR_REGISTER "+x"
#elif defined(__SSE2__)
constexpr int width = 16;
#define HONE_VECTOR_REGISTER "+x"
#else
constexpr int width = 16;
#define HONE_VECTOR_REGISTER "+m"
#endif

typedef float F __attribute__((vector_size(width)));
typedef std::int32_t I __attribute__((vector_size(width)));
typedef std::uint64_t W __attribute__((vector_size(width)));

constexpr int chains = 12, steps = 8;

// step(accumulator) is one instruction; returns how many were issued.
template <class V, class Step>
__attribute__((always_inline)) inline double repeat(std::int64_t rounds, const Step& step) {
  V sum[chains] = {};
  for (std::int64_t i = 0; i < rounds; ++i)
#pragma GCC unroll 8
    for (int s = 0; s < steps; ++s)
#pragma GCC unroll 12
      for (int c = 0; c < chains; ++c) {
        sum[c] = step(sum[c]);
        asm volatile("" : HONE_VECTOR_REGISTER(sum[c]));
      }
  return static_cast<double>(rounds) * steps * chains;
}

double f32(std::int64_t rounds) {
  const F a = F{} + 1.0f, b = F{} + 0.5f;
  return width / 4 * 2 *
         repeat<F>(
             rounds, [&](F c) __attribute__((always_inline)) {
#if defined(__AVX512F__)
               return (F)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (F)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
             });
}

double bf16(std::int64_t rounds) {
#if defined(__AVX512BF16__)
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1.0f), _mm512_set1_ps(1.0f));
  return width / 4 * 4 *
         repeat<F>(
             rounds, [&](F c)
                         __attribute__((always_inline)) { return (F)_mm512_dpbf16_ps((__m512)c, a, a); });
#else
  return f32(rounds);
#endif
}

double int8(std::int64_t rounds) {
#if defined(__AVX512VNNI__)
  const __m512i a = _mm512_set1_epi8(1);
  return width * 2 *
         repeat<I>(
             rounds, [&](I c)
                         __attribute__((always_inline)) { return (I)_mm512_dpbusd_epi32((__m512i)c, a, a); });
#elif defined(__AVXVNNI__)
  const __m256i a = _mm256_set1_epi8(1);
  return width * 2 *
         repeat<I>(
             rounds, [&](I c) __attribute__((always_inline)) {
               return (I)_mm256_dpbusd_avx_epi32((__m256i)c, a, a);
             });
#elif defined(__AVX512F__)
  const __m512i a = _mm512_set1_epi16(1);
  return width / 2 * 2 *
         repeat<I>(
             rounds, [&](I c)
                         __attribute__((always_inline)) { return c + (I)_mm512_madd_epi16((__m512i)c, a); });
#elif defined(__AVX2__)
  // Exact products of all codes of eight bits: of int16, whose pairs are added in int32. maddubs takes twice
  // as many, but saturates; what hone's kernels do to keep it from that costs the other half.
  const __m256i a = _mm256_set1_epi16(1);
  return width / 2 * 2 *
         repeat<I>(
             rounds, [&](I c)
                         __attribute__((always_inline)) { return c + (I)_mm256_madd_epi16((__m256i)c, a); });
#elif defined(__SSE2__)
  const __m128i a = _mm_set1_epi16(1);
  return width / 2 * 2 *
         repeat<I>(
             rounds, [&](I c)
                         __attribute__((always_inline)) { return c + (I)_mm_madd_epi16((__m128i)c, a); });
#else
  const I a = I{} + 1;
  return width / 4 * 2 *
         repeat<I>(
             rounds, [&](I c) __attribute__((always_inline)) { return a * c + a; });
#endif
}

std::uint64_t read(const void* from, std::size_t bytes) {
  const char* p = static_cast<const char*>(from);
  constexpr int parts = 512 / width;
  W sum[parts] = {};
  for (std::size_t i = 0; i < bytes; i += 512)
#pragma GCC unroll 32
    for (int j = 0; j < parts; ++j) {
      W w;
      std::memcpy(&w, p + i + j * width, sizeof w);
      sum[j] += w;
    }
  for (int j = 1; j < parts; ++j) sum[0] += sum[j];
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < width / 8; ++i) total += sum[0][i];
  return total;
}

}  // namespace

const PeakLoops peak_loops{f32, bf16, int8, read};

}  // namespace hone::HONE_ISA
