// A unit of a panel of which two of each four neighbours are kept (kernel/isa/two_of_four_isa.hpp): its
// codes, where they belong, and sums of products with them.
//
// Codes stay as they lie: a step multiplies the four codes of a row by the four of eight neighbours of x that
// they belong to, which a byte shuffle picks. So half of the multiplications are done.
#pragma once
#include "kernel/isa/coded_tile.hpp"
#include "kernel/isa/two_of_four_isa.hpp"

namespace hone::kernel::HONE_ISA {

#if defined(__AVX2__)
// What lookups of bytes by (pair's number | place << 3) give; both halves of 32 bytes alike, for pshufb.
struct PairTables {
  std::uint8_t column[64];    // of the row's eight, of code 0 and 1, and of 2 and 3 from 16 on
  std::uint8_t code[64];      // which of two codes belongs to place 0 to 3: 128 is none
  std::uint8_t codes[2][32];  // the same for places 0 and 1, and for 2 and 3
  constexpr PairTables() : column{}, code{}, codes{} {
    for (int pair = 0; pair < 8; ++pair)
      for (int i = 0; i < 4; ++i) {
        for (int half = 0; half < 2; ++half)
          column[32 * half + pair + 8 * i] = static_cast<std::uint8_t>(pair_places[pair][i % 2] + i / 2 * 4);
        const int of = pair_places[pair][0] == i ? 0 : pair_places[pair][1] == i ? 1 : 128;
        for (int half = 0; half < 2; ++half)
          code[32 * half + pair + 8 * i] = codes[i / 2][16 * half + pair + i % 2 * 8] =
              static_cast<std::uint8_t>(of);
      }
  }
};
alignas(64) constexpr PairTables pair_tables{};
#endif

// --- codes -------------------------------------------------------------------------------------------------

// Step j of vector v of a unit whose codes lie at p: of eight bits about zero, of four as they are.
template <int bits, int j>
HONE_INLINE B twos_codes(const std::uint8_t* p, int v) {
  p += 4 * vector_columns * v;
  if constexpr (bits == 8) return load_as<B>(p + 64 * j);
  return bits_of<j / 2 * 4, 15>(load_as<B>(p + j % 2 * 64));
}

// --- where they belong -------------------------------------------------------------------------------------

// The pairs of vector v of a unit's rows.
class Pairs {
 public:
#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__)
  HONE_INLINE Pairs(const std::uint8_t* at, int)
      : rows_(_mm512_maskz_permutexvar_epi8(0x7777777777777777, spread(), load_as<__m512i>(at))) {}
  // Which of its step's eight columns each code of step j belongs to.
  template <int j>
  HONE_INLINE B columns() const {
    const __m512i index = tagged(fields<6 * j, 6 * j, 6 * j + 3, 6 * j + 3>(), 0x18100800);
    return (B)_mm512_permutexvar_epi8(index, load_as<__m512i>(pair_tables.column));
  }
  // Codes of step j about zero, w, at their places among zeros: of its first four columns, and of its last.
  template <int j, int four>
  HONE_INLINE B placed(B w) const {
    constexpr int at = 6 * j + 3 * four;
    const __m512i index = tagged(fields<at, at, at, at>(), 0x18100800),
                  of = _mm512_permutexvar_epi8(index, load_as<__m512i>(pair_tables.code));
    return (B)_mm512_shuffle_epi8((__m512i)w, _mm512_or_si512(of, in_lane<four>()));
  }

 private:
  // A row's three bytes to four.
  HONE_INLINE static __m512i spread() {
    alignas(64) static constexpr std::uint8_t from[64] = {
        0,  1,  2,  0,  3,  4,  5,  0,  6,  7,  8,  0,  9,  10, 11, 0,  12, 13, 14, 0,  15, 16,
        17, 0,  18, 19, 20, 0,  21, 22, 23, 0,  24, 25, 26, 0,  27, 28, 29, 0,  30, 31, 32, 0,
        33, 34, 35, 0,  36, 37, 38, 0,  39, 40, 41, 0,  42, 43, 44, 0,  45, 46, 47, 0};
    return load_as<__m512i>(from);
  }
  // Bytes that begin at these bits of each row.
  template <int a, int b, int c, int d>
  HONE_INLINE __m512i fields() const {
    constexpr long long low = a | b << 8 | c << 16 | static_cast<long long>(d) << 24;
    return _mm512_multishift_epi64_epi8(_mm512_set1_epi64(low | (low + 0x20202020) << 32), rows_);
  }
  HONE_INLINE static __m512i tagged(__m512i fields, int tags) {
    return _mm512_ternarylogic_epi64(fields, _mm512_set1_epi8(7), _mm512_set1_epi32(tags), 0xEA);
  }
  template <int four>
  HONE_INLINE static __m512i in_lane() {
    constexpr int first = 2 * four * 0x01010101;
    return _mm512_broadcast_i32x4(
        _mm_setr_epi32(first, first + 0x04040404, first + 0x08080808, first + 0x0c0c0c0c));
  }
  __m512i rows_;
#elif defined(__AVX2__)
  HONE_INLINE Pairs(const std::uint8_t* at, int v)
      : rows_(_mm256_shuffle_epi8(
            _mm256_set_m128i(load_as<__m128i>(at + 24 * v + 12), load_as<__m128i>(at + 24 * v)),
            _mm256_broadcastsi128_si256(
                _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1)))) {}
  template <int j>
  HONE_INLINE B columns() const {
    // Multiplied, the first pair's bits of two bytes go down by one, the second's of the other two by four.
    const __m256i bytes = lowest<6 * j - 1>(),
                  down = _mm256_mulhi_epu16(bytes, _mm256_set1_epi32(0x10008000)),
                  index = tagged(down, 0x08000800);
    const __m256i of_four = _mm256_broadcastsi128_si256(load_as<__m128i>(pair_tables.column));
    return (B)_mm256_or_si256(_mm256_shuffle_epi8(of_four, index), _mm256_set1_epi32(0x04040000));
  }
  template <int j, int four>
  HONE_INLINE B placed(B w) const {
    const __m256i index = tagged(lowest<6 * j + 3 * four>(), 0x08000800),
                  low = _mm256_shuffle_epi8(load_as<__m256i>(pair_tables.codes[0]), index),
                  high = _mm256_shuffle_epi8(load_as<__m256i>(pair_tables.codes[1]), index),
                  of = _mm256_blend_epi16(low, high, 0xAA);
    constexpr int first = 2 * four * 0x01010101;
    const __m256i in_lane = _mm256_broadcastsi128_si256(
        _mm_setr_epi32(first, first + 0x04040404, first + 0x08080808, first + 0x0c0c0c0c));
    return (B)_mm256_shuffle_epi8((__m256i)w, _mm256_or_si256(of, in_lane));
  }

 private:
  // Of each row the byte that begins at this bit, four times.
  template <int bit>
  HONE_INLINE __m256i lowest() const {
    const __m256i moved = bit < 0 ? _mm256_slli_epi32(rows_, -bit) : _mm256_srli_epi32(rows_, bit);
    return _mm256_shuffle_epi8(
        moved, _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c)));
  }
  HONE_INLINE static __m256i tagged(__m256i fields, int tags) {
    return _mm256_or_si256(_mm256_and_si256(fields, _mm256_set1_epi8(7)), _mm256_set1_epi32(tags));
  }
  __m256i rows_;
#else
  HONE_INLINE Pairs(const std::uint8_t* at, int v) : at_(at + 3 * vector_columns * v) {}
  template <int j>
  HONE_INLINE B columns() const {
    B to;
    for (int i = 0; i < 4 * vector_columns; ++i)
      to[i] = static_cast<std::uint8_t>(pair_places[pair(i / 4, 2 * j + i % 4 / 2)][i % 2] + i % 4 / 2 * 4);
    return to;
  }
  template <int j, int four>
  HONE_INLINE B placed(B w) const {
    B to{};
    for (int row = 0; row < vector_columns; ++row)
      for (int i = 0; i < 2; ++i)
        to[4 * row + pair_places[pair(row, 2 * j + four)][i]] = w[4 * row + 2 * four + i];
    return to;
  }

 private:
  HONE_INLINE int pair(int row, int four) const {
    const std::uint8_t* p = at_ + 3 * row;
    return (p[0] | p[1] << 8 | p[2] << 16) >> 3 * four & 7;
  }
  const std::uint8_t* at_;
#endif
};

// --- sums --------------------------------------------------------------------------------------------------

// Eight neighbours of x, for each row.
HONE_INLINE B splat_eight(const std::int8_t* x) {
  const auto eight = load_as<std::int64_t>(x);
#if defined(__AVX512VNNI__)
  return (B)_mm512_set1_epi64(eight);
#elif defined(__AVX2__)
  return (B)_mm256_set1_epi64x(eight);
#else
  B all;
  for (int i = 0; i < 4 * vector_columns; ++i) all[i] = static_cast<std::uint8_t>(x[i % 8]);
  (void)eight;
  return all;
#endif
}

// Of codes about zero, a unit's; w as twos_codes has them.
template <int bits>
struct TwosSum {
#if defined(__AVX512VNNI__)
  static constexpr int zero = 1 << (bits - 1);
  __m512i all, off;  // of unsigned codes, and of as many zeros
  HONE_INLINE void begin() { all = off = _mm512_setzero_si512(); }
  HONE_INLINE void add(B w, B x, B columns) {
    const __m512i picked = _mm512_shuffle_epi8((__m512i)x, (__m512i)columns);
    const __m512i codes = bits == 8 ? _mm512_xor_si512((__m512i)w, _mm512_set1_epi8(-128)) : (__m512i)w;
    all = _mm512_dpbusd_epi32(all, codes, picked);
    off = _mm512_dpbusd_epi32(off, _mm512_set1_epi8(static_cast<char>(zero)), picked);
  }
  HONE_INLINE E whole(std::int32_t more) const {
    const __m512i sum = _mm512_sub_epi32(all, off);
    return (E)_mm512_maskz_cvtepi32_ps(0xffff, _mm512_add_epi32(sum, _mm512_set1_epi32(more)));
  }
#elif defined(__AVX2__)
  __m256i all, off;
  HONE_INLINE void begin() { all = off = _mm256_setzero_si256(); }
  HONE_INLINE void add(B w, B x, B columns) {
    const __m256i picked = _mm256_shuffle_epi8((__m256i)x, (__m256i)columns);
    if constexpr (bits == 8) {
      const __m256i codes = (__m256i)w,
                    two = _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(picked, codes));
      all = _mm256_add_epi32(all, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
    } else {  // in 16 bits: 8 codes of a unit, of at most 15, at each place
      all = _mm256_add_epi16(all, _mm256_maddubs_epi16((__m256i)w, picked));
      off = _mm256_add_epi16(off, _mm256_maddubs_epi16(_mm256_set1_epi8(8), picked));
    }
    asm("" : "+x"(all));  // as in UnitSum
  }
  HONE_INLINE E whole(std::int32_t more) const {
    const __m256i sum = bits == 8 ? all : _mm256_madd_epi16(_mm256_sub_epi16(all, off), _mm256_set1_epi16(1));
    return (E)_mm256_cvtepi32_ps(_mm256_add_epi32(sum, _mm256_set1_epi32(more)));
  }
#else
  std::int32_t sum[vector_columns];
  HONE_INLINE void begin() {
    for (std::int32_t& s : sum) s = 0;
  }
  HONE_INLINE void add(B w, B x, B columns) {
    for (int i = 0; i < 4 * vector_columns; ++i) {
      const int code = bits == 8 ? static_cast<std::int8_t>(w[i]) : w[i] - 8;
      sum[i / 4] += code * static_cast<std::int8_t>(x[columns[i]]);
    }
  }
  HONE_INLINE E whole(std::int32_t more) const {
    E e;
    for (int i = 0; i < vector_columns; ++i) e[i] = static_cast<float>(sum[i] + more);
    return e;
  }
#endif
};

// Adds unit u, which lies at `at`, to sums of rows x a panel: as add_unit does that of the expanded codes.
template <int bits, bool minimum, int rows>
HONE_INLINE void add_twos(const TileRows& x, std::int64_t u, const std::uint8_t* at,
                          const E (&scale)[parts_of_panel], E (&sum)[rows][parts_of_panel]) {
  constexpr int zero = 1 << (bits - 1);
  // Vector after vector, so that sums stay in AVX2's registers.
#pragma GCC unroll 8
  for (int v = 0; v < parts_of_panel; ++v) {
    const Pairs pairs(at, v);
    TwosSum<bits> whole[rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) whole[r].begin();
    const auto step = [&]<int j>() __attribute__((always_inline)) {
      const B w = twos_codes<bits, j>(at + 48, v), columns = pairs.template columns<j>();
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
        whole[r].add(w, splat_eight(x.codes + r * x.K + u * 32 + j * 8), columns);
    };
    step.template operator()<0>(), step.template operator()<1>(), step.template operator()<2>(),
        step.template operator()<3>();
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      sum[r][v] = multiply_add_columns(whole[r].whole(minimum ? zero * x.codes_sum(r, u) : 0),
                                       scale[v] * splat_columns(x.scale(r, u)), sum[r][v]);
      if constexpr (minimum)
        sum[r][v] =
            multiply_add_columns(scale[v] * splat_columns(-zero), splat_columns(x.sum(r, u)), sum[r][v]);
    }
  }
}

}  // namespace hone::kernel::HONE_ISA
