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

template <int bits>
class MaskedCodes {
 public:
  static constexpr int zero = 1 << (bits - 1);

  // The next unit's codes, and its masks.
  HONE_INLINE MaskedCodes(const std::uint8_t* codes, const std::uint8_t* masks)
      : masks_(masks), codes_(codes) {}

  // Of step j the columns of vector v, as unsigned codes about their zero; steps and vectors in order.
  template <int j>
  HONE_INLINE B next(int v) {
    const std::uint8_t* mask_at = masks_ + 8 * j + vector_columns / 2 * v;
#if defined(__AVX512VBMI2__) && defined(__AVX512VNNI__)
    (void)v;
    const auto mask = load_as<std::uint64_t>(mask_at);
    __m512i packed;
    if constexpr (bits == 8) {
      packed = load_as<__m512i>(codes_);
    } else {
      const __m512i two = _mm512_maskz_cvtepu8_epi16(~0u, load_as<__m256i>(codes_));
      packed = _mm512_and_si512(_mm512_or_si512(two, _mm512_slli_epi16(two, 4)), _mm512_set1_epi8(15));
    }
    const int count = __builtin_popcountll(mask);
    codes_ += bits == 8 ? count : (count + 1) / 2;
    // Of memory vpexpandb is microcode on Zen 4. On Zen 5 it waits for what its result's register held, with
    // {z} too, five cycles each: so into a register that was set just before.
    __m512i all = _mm512_set1_epi8(static_cast<char>(zero));
    asm("vpexpandb %2, %0%{%1%}" : "+&v"(all) : "Yk"(static_cast<__mmask64>(mask)), "v"(packed));
    return (B)all;
#else
    if (v == 0) begin_step(load_as<std::uint64_t>(mask_at));
#if defined(__AVX2__)
    const auto mask = load_as<std::uint32_t>(mask_at);
    const __m128i a = eight(mask & 255), b = eight(mask >> 8 & 255), c = eight(mask >> 16 & 255),
                  d = eight(mask >> 24);
    const __m256i all = _mm256_set_m128i(_mm_unpacklo_epi64(c, d), _mm_unpacklo_epi64(a, b));
    return (B)_mm256_xor_si256(all, _mm256_set1_epi8(static_cast<char>(zero)));
#else
    B all;
    for (int i = 0; i < 4 * vector_columns; ++i)
      all[i] = mask_at[i / 8] >> i % 8 & 1 ? *next_++ : static_cast<std::uint8_t>(zero);
    return all;
#endif
#endif
  }
  HONE_INLINE const std::uint8_t* end() const { return codes_; }

 private:
#if !(defined(__AVX512VBMI2__) && defined(__AVX512VNNI__))
  // A step's codes, from next_ on: where they lie, or of four bits taken apart.
  HONE_INLINE void begin_step(std::uint64_t mask) {
    const int count = __builtin_popcountll(mask);
    next_ = codes_;
    codes_ += bits == 8 ? count : (count + 1) / 2;
    if constexpr (bits == 4) {
      for (int i = 0; i < 32; ++i) apart_[2 * i] = next_[i] & 15, apart_[2 * i + 1] = next_[i] >> 4;
      next_ = apart_;
    }
  }
#endif
#if defined(__AVX2__) && !defined(__AVX512VBMI2__)
  HONE_INLINE __m128i eight(std::uint32_t mask) {
    const __m128i packed = _mm_xor_si128(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(next_)),
                                         _mm_set1_epi8(static_cast<char>(zero)));
    next_ += __builtin_popcount(mask);
    return _mm_shuffle_epi8(packed, _mm_loadl_epi64(reinterpret_cast<const __m128i*>(expansions.from[mask])));
  }
#endif
  const std::uint8_t *masks_, *codes_;
#if !(defined(__AVX512VBMI2__) && defined(__AVX512VNNI__))
  const std::uint8_t* next_ = nullptr;
  alignas(64) std::uint8_t apart_[bits == 4 ? 72 : 1];
#endif
};

}  // namespace hone::kernel::HONE_ISA
