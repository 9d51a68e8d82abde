// Kept codes of a panel as they come in their stream (kernel/isa/masked_product_isa.hpp), each at its place
// among codes that mean zero.
#pragma once
#include "kernel/isa/coded_tile.hpp"
#include "kernel/isa/masked_product_isa.hpp"

namespace hone::kernel::HONE_ISA {

#if defined(__AVX2__) && !defined(__AVX512VBMI2__)
// For each mask of eight places, which of the next codes goes to each: 128 is none.
struct Expansions {
  std::uint8_t from[256][8];
  constexpr Expansions() : from{} {
    for (int mask = 0; mask < 256; ++mask)
      for (int place = 0, next = 0; place < 8; ++place)
        from[mask][place] = mask >> place & 1 ? static_cast<std::uint8_t>(next++) : 128;
  }
};
alignas(64) constexpr Expansions expansions{};
#endif

class MaskedCodes {
 public:
  // A unit that lies at p.
  HONE_INLINE explicit MaskedCodes(const std::uint8_t* p) : masks_(p), codes_(p + unit_mask_bytes) {}

  // Of step j the columns of vector v, as unsigned codes about 128; steps and vectors in order.
  template <int j>
  HONE_INLINE B next(int v) {
    const std::uint8_t* mask_at = masks_ + 8 * j + vector_columns / 2 * v;
#if defined(__AVX512VBMI2__) && defined(__AVX512VNNI__)
    (void)v;
    const auto mask = load_as<std::uint64_t>(mask_at);
    // From a register, which g++ has to be told: vpexpandb of memory is microcode on Zen 4.
    __m512i packed = load_as<__m512i>(codes_);
    asm("" : "+v"(packed));
    codes_ += __builtin_popcountll(mask);
    return (B)_mm512_xor_si512(_mm512_maskz_expand_epi8(mask, packed), _mm512_set1_epi8(-128));
#elif defined(__AVX2__)
    const auto mask = load_as<std::uint32_t>(mask_at);
    const __m128i a = eight(mask & 255), b = eight(mask >> 8 & 255), c = eight(mask >> 16 & 255),
                  d = eight(mask >> 24);
    const __m256i all = _mm256_set_m128i(_mm_unpacklo_epi64(c, d), _mm_unpacklo_epi64(a, b));
    return (B)_mm256_xor_si256(all, _mm256_set1_epi8(-128));
#else
    B all;
    for (int i = 0; i < 4 * vector_columns; ++i)
      all[i] = static_cast<std::uint8_t>((mask_at[i / 8] >> i % 8 & 1 ? *codes_++ : 0) ^ 128);
    return all;
#endif
  }
  HONE_INLINE const std::uint8_t* end() const { return codes_; }

 private:
#if defined(__AVX2__) && !defined(__AVX512VBMI2__)
  HONE_INLINE __m128i eight(std::uint32_t mask) {
    const __m128i packed = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes_));
    codes_ += __builtin_popcount(mask);
    return _mm_shuffle_epi8(packed, _mm_loadl_epi64(reinterpret_cast<const __m128i*>(expansions.from[mask])));
  }
#endif
  const std::uint8_t *masks_, *codes_;
};

}  // namespace hone::kernel::HONE_ISA
