// A tile of sums of codes' products: some rows of A, unsigned, times the 48 columns of a panel, signed.
#pragma once
#include <utility>

#include "kernel/isa/gemm_tile.hpp"

namespace hone::kernel::HONE_ISA {

// What a tile fetches meanwhile, so much with each unit of four k: few rows wait for memory, not for sums.
struct Fetch {
  const std::byte* from;
  std::int64_t unit_bytes;
};

// int8_codes_above_zero: x is multiplied as it stands, 128 too much; else about zero, and nothing is to be
// taken off.
#if defined(__AVX512VNNI__)

// dpbusd multiplies four neighbours: the loop of gemm_tile_avx512.hpp with another instruction.
constexpr std::int64_t int8_rows = tile_rows;
constexpr bool int8_codes_above_zero = true;
HONE_INLINE void multiply_int8(const std::uint8_t* a, std::int64_t K, const std::byte* codes,
                               std::int32_t* tile, const Fetch& fetch) {
  multiply_vectors<3, 4>({.a = a,
                          .a_row_bytes = K,
                          .a_unit_bytes = 4,
                          .b = reinterpret_cast<const std::uint32_t*>(codes),
                          .units = K / 4,
                          .c = reinterpret_cast<float*>(tile),
                          .c_stride = 48,
                          .from_c = false,
                          .add_to_c = false,
                          .fetch = fetch.from,
                          .fetch_bytes = fetch.unit_bytes});
}

#elif defined(__AVX2__)

constexpr std::int64_t int8_rows = 4;
#if defined(__AVXVNNI__)
constexpr bool int8_codes_above_zero = true;
constexpr int int8_vectors = 3;  // of 8 columns, at once: with four rows they hide dpbusd's latency
struct Int8Weights {
  __m256i w;
  HONE_INLINE explicit Int8Weights(__m256i codes) : w(codes) {}
  HONE_INLINE static __m256i of_x(__m256i x) { return x; }
  HONE_INLINE __m256i add_to(__m256i sum, __m256i x) const { return _mm256_dpbusd_avx_epi32(sum, x, w); }
};
#else
// maddubs adds two products in 16 bits, and saturates: so it gets magnitudes of the weight, at most 127, and
// x about zero with the weight's signs, and 2 * 127 * 127 fits.
constexpr bool int8_codes_above_zero = false;
constexpr int int8_vectors = 2;  // of 8 columns, at once
struct Int8Weights {
  __m256i w, magnitude;
  HONE_INLINE explicit Int8Weights(__m256i codes) : w(codes), magnitude(_mm256_abs_epi8(codes)) {}
  HONE_INLINE static __m256i of_x(__m256i x) { return _mm256_xor_si256(x, _mm256_set1_epi8(-128)); }
  HONE_INLINE __m256i add_to(__m256i sum, __m256i x) const {
    const __m256i two = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
  }
};
#endif
template <int... i>
HONE_INLINE void add_int8(const std::uint8_t* a, std::int64_t K, std::int64_t k, const std::byte* at,
                          __m256i (&sum)[int8_rows][int8_vectors], std::integer_sequence<int, i...>) {
  const Int8Weights w[] = {Int8Weights(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32 * i)))...};
#pragma GCC unroll 8
  for (int r = 0; r < int8_rows; ++r) {
    std::int32_t four;
    std::memcpy(&four, a + r * K + k, sizeof four);
    const __m256i x = Int8Weights::of_x(_mm256_set1_epi32(four));
    ((sum[r][i] = w[i].add_to(sum[r][i], x)), ...);
  }
}
HONE_INLINE void multiply_int8(const std::uint8_t* a, std::int64_t K, const std::byte* codes,
                               std::int32_t* tile, const Fetch& fetch) {
  for (std::int64_t v = 0; v < 48; v += 8 * int8_vectors) {
    __m256i sum[int8_rows][int8_vectors] = {};
    const std::byte* at = codes + 4 * v;
    for (std::int64_t k = 0; k < K; k += 4, at += 4 * 48) {
      if (v == 0) __builtin_prefetch(fetch.from + k / 4 * fetch.unit_bytes);
      add_int8(a, K, k, at, sum, std::make_integer_sequence<int, int8_vectors>());
    }
    for (int r = 0; r < int8_rows; ++r) std::memcpy(tile + r * 48 + v, sum[r], sizeof sum[r]);
  }
}

#else

constexpr std::int64_t int8_rows = 4;
constexpr bool int8_codes_above_zero = false;
HONE_INLINE void multiply_int8(const std::uint8_t* a, std::int64_t K, const std::byte* codes,
                               std::int32_t* tile, const Fetch&) {
  for (std::int64_t r = 0; r < int8_rows; ++r)
    for (std::int64_t j = 0; j < 48; ++j) {
      std::int32_t sum = 0;
      for (std::int64_t k = 0; k < K; ++k)
        sum += (a[r * K + k] - 128) * static_cast<std::int8_t>(codes[k / 4 * 4 * 48 + 4 * j + k % 4]);
      tile[r * 48 + j] = sum;
    }
}

#endif

}  // namespace hone::kernel::HONE_ISA
