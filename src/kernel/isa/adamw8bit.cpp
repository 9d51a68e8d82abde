#include "kernel/isa/adamw8bit_isa.hpp"

#include "kernel/isa/adamw_loop.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

constexpr int block_values = 256;

// Numbers by decade, looked up in a register. (Gathers from memory took twice the time of the whole update
// on Zen 4.)
class ByDecade {
 public:
  HONE_INLINE explicit ByDecade(const float* numbers) {
#if defined(__AVX512F__)
    all_ = _mm512_maskz_broadcast_f32x8(0xffff, _mm256_loadu_ps(numbers));
#elif defined(__AVX2__)
    all_ = _mm256_loadu_ps(numbers);
#else
    all_ = numbers;
#endif
  }
  HONE_INLINE F operator[](I decade) const {
#if defined(__AVX512F__)
    return (F)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)decade, all_);
#elif defined(__AVX2__)
    return (F)_mm256_permutevar8x32_ps(all_, (__m256i)decade);
#else
    F r;
    for (int i = 0; i < lanes; ++i) r[i] = all_[decade[i]];
    return r;
#endif
  }

 private:
#if defined(__AVX512F__)
  __m512 all_;
#elif defined(__AVX2__)
  __m256 all_;
#else
  const float* all_;
#endif
};

HONE_INLINE I widened(const std::uint8_t* p) {
#if defined(__AVX512F__)
  return (I)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p));
#elif defined(__AVX2__)
  return (I)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#else
  I r;
  for (int i = 0; i < lanes; ++i) r[i] = p[i];
  return r;
#endif
}
HONE_INLINE void narrowed(std::uint8_t* p, I v) {
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)v));
#elif defined(__AVX2__)
  const __m128i h =
      _mm_packus_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64((__m128i*)p, _mm_packus_epi16(h, h));
#else
  for (int i = 0; i < lanes; ++i) p[i] = static_cast<std::uint8_t>(v[i]);
#endif
}

template <bool squares>
class Codes {
 public:
  HONE_INLINE explicit Codes(const MomentMap& map)
      : to_part_(map.to_part),
        first_part_(map.first_part),
        parts_(map.parts),
        slope_(map.slope),
        offset_(map.offset) {
    for (int i = 0; i < MomentMap::decades - 1; ++i) begins_[i] = splat(map.begins[i]);
  }

  // The exponent of the code is the decade, for parts double from one to the next.
  HONE_INLINE F share(I code) const {
    constexpr int most = squares ? 255 : 127;
    const I magnitude = squares ? code : code & 0x7f;
    const F number = __builtin_convertvector(magnitude, F);
    const I decade = (bits(number) >> 23) - (squares ? 128 : 127);
    F share = number * slope_[decade & 7] + offset_[decade & 7];
    share = select(magnitude == (I{} + most), splat(1), share);
    share = select(magnitude == I{}, splat(0), share);
    if (squares) return share;
    return as_float(bits(share) | ((code & 0x80) << 24));
  }

  HONE_INLINE I code(F share) const {
    const F y = as_float(bits(share) & 0x7fffffff);
    I decade{};
    for (const F& begin : begins_) decade -= (I)(y >= begin);
    const F parts = parts_[decade];
    const F part = min(max(y * to_part_[decade] + first_part_[decade], splat(0)), parts - splat(1));
    const I code = __builtin_convertvector(parts + part, I);
    if (squares) return code & (I)(y > splat(0));
    return (code | ((bits(share) >> 24) & 0x80)) & ~(I)(y < splat(MomentMap::signed_zero));
  }

 private:
  ByDecade to_part_, first_part_, parts_, slope_, offset_;
  F begins_[MomentMap::decades - 1];
};

// Whole vectors, for the values of a block stand in arrays of its full length.
template <bool squares>
HONE_INLINE void decode(const MomentMap& map, const std::uint8_t* codes, float largest, float* to) {
  const Codes<squares> of(map);
  for (int i = 0; i < block_values; i += lanes) store(to + i, of.share(widened(codes + i)) * splat(largest));
}
template <bool squares>
HONE_INLINE void encode(const MomentMap& map, const float* values, float* largest, std::uint8_t* to) {
  F most{};
  for (int i = 0; i < block_values; i += lanes)
    most = max(most, as_float(bits(load(values + i)) & 0x7fffffff));
  *largest = max(most);
  const F inverse = splat(*largest > least_largest ? 1 / *largest : 0);
  const Codes<squares> of(map);
  for (int i = 0; i < block_values; i += lanes) narrowed(to + i, of.code(load(values + i) * inverse));
}

void block(const AdamWCoefficients& c, const MomentMap& mean, const MomentMap& squares,
           const AdamW8BitBlock& b) {
  alignas(64) float m[block_values], v[block_values];
  std::uint8_t edge[2][block_values] = {};  // of a last block, which may be shorter
  const bool whole = b.n == block_values;
  if (!whole) std::memcpy(edge[0], b.m, static_cast<std::size_t>(b.n));
  if (!whole) std::memcpy(edge[1], b.v, static_cast<std::size_t>(b.n));
  std::uint8_t *m_codes = whole ? b.m : edge[0], *v_codes = whole ? b.v : edge[1];
  decode<false>(mean, m_codes, *b.m_largest, m);
  decode<true>(squares, v_codes, *b.v_largest, v);
  adamw_any(c, b.w, b.gradient, m, v, b.low, b.n);
  encode<false>(mean, m, b.m_largest, m_codes);
  encode<true>(squares, v, b.v_largest, v_codes);
  if (!whole) std::memcpy(b.m, edge[0], static_cast<std::size_t>(b.n));
  if (!whole) std::memcpy(b.v, edge[1], static_cast<std::size_t>(b.n));
}

}  // namespace

const AdamW8BitTable adamw8bit_table{block};

}  // namespace hone::kernel::HONE_ISA
