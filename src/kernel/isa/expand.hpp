// Blocks of quantized weights as f32.
#pragma once
#include "kernel/isa/block_formats.hpp"

namespace hone::kernel::HONE_ISA {

// Codes 8 i to 8 i + 7, or as many as a vector has, as f32.
template <bool is_signed>
HONE_INLINE void store_expanded(C codes, const float (&scale)[2], const float (&minimum)[2], float* to) {
  alignas(32) std::int8_t c[unit];
  std::memcpy(c, &codes, sizeof c);
#pragma GCC unroll 8
  for (int i = 0; i < unit; i += lanes) {
    F x;
#if defined(__AVX512F__)
    const __m128i some = _mm_load_si128(reinterpret_cast<const __m128i*>(c + i));
    x = (F)_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, some));
#elif defined(__AVX2__)
    const __m128i some = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(c + i));
    x = (F)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(some));
#else
    for (int j = 0; j < lanes; ++j) x[j] = static_cast<float>(c[i + j]);
#endif
    x = x * splat(scale[i / 16]);
    if (!is_signed) x = x + splat(minimum[i / 16]);
    store(to + i, x);
  }
}

template <Element e>
HONE_INLINE void expand_block(const std::uint8_t* block, float* to) {
  using Blocks = Format<e>;
  Scales s;
  Blocks::scales(block, s);
  each_unit<e>([&]<int u>() {
    constexpr int at = Blocks::halves ? 2 * u : u, next = Blocks::halves ? 1 : 0;
    const float scale[] = {s.scale[at], s.scale[at + next]};
    if constexpr (Blocks::has_minimum) {
      const float minimum[] = {s.minimum[at], s.minimum[at + next]};
      store_expanded<false>(Blocks::template codes<u>(block), scale, minimum, to + u * unit);
    } else {
      store_expanded<true>(Blocks::template codes<u>(block), scale, scale, to + u * unit);
    }
  });
}

// `count` elements from `blocks` on; of the last block as many as are left. (Inlined where it is used, ten
// formats at a time, g++ 12 took minutes over gemm.cpp.)
[[gnu::noinline]] inline void expand_blocks(In blocks, std::int64_t count, float* to) {
  const std::uint8_t* from = static_cast<const std::uint8_t*>(blocks.data);
  format_of(blocks.type, [&]<Element e>() {
    constexpr std::int64_t elements = packing(e).elements;
    std::int64_t i = 0;
    for (; i + elements <= count; i += elements, from += packing(e).bytes) expand_block<e>(from, to + i);
    if (i == count) return;
    alignas(64) float last[elements];
    expand_block<e>(from, last);
    std::memcpy(to + i, last, static_cast<std::size_t>(count - i) * sizeof(float));
  });
}

}  // namespace hone::kernel::HONE_ISA
