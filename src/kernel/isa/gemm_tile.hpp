// The register tile: C[tile_rows, width] from units of A, broadcast, times a packed panel of B. Every result
// is one chain over the units in order; where it may start from (zero or C) and end in (stored or added to C)
// is a flag, so that a chain can be interrupted and taken up again with the same bits.
#pragma once
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

// Accumulators and operands fill the registers: 8 x 48 takes 24 + 3 + 2 of 32 (and 8 broadcasts a k feed 24
// multiply-adds), 4 x 24 takes 12 + 3 + 1 of 16. Blocks of columns share one widened copy of A's rows where
// bf16 is not native, hence their width.
#if defined(__AVX512BF16__)
constexpr int tile_rows = 8, panel_vectors = 3, fewest_panels = 1, bf16_pair = 2;
#elif defined(__AVX512F__)
constexpr int tile_rows = 8, panel_vectors = 3, fewest_panels = 2, bf16_pair = 1;
#elif defined(__AVX2__)
constexpr int tile_rows = 4, panel_vectors = 3, fewest_panels = 4, bf16_pair = 1;
#else
constexpr int tile_rows = 4, panel_vectors = 2, fewest_panels = 8, bf16_pair = 1;
#endif
constexpr int panel_columns = panel_vectors * lanes;

template <class T>
constexpr int pair_of = 1;
template <>
constexpr int pair_of<bf16> = bf16_pair;

struct TileProduct {
  const void* a;  // unit u of row r at a + r * a_row_bytes + u * a_unit_bytes
  std::int64_t a_row_bytes, a_unit_bytes;
  const std::uint32_t* b;  // [units][width]
  std::int64_t units;
  float* c;
  std::int64_t c_stride;
  bool from_c;    // accumulators start from C, not from zero
  bool add_to_c;  // results are added to C at the end
  // Of whole numbers on AVX-512: what the units fetch into the first-level cache one after the other, and how
  // many bytes each goes on.
  const std::byte* fetch = nullptr;
  std::int64_t fetch_bytes = 0;
};

}  // namespace hone::kernel::HONE_ISA

#if defined(__AVX512F__)
#include "kernel/isa/gemm_tile_avx512.hpp"
#elif defined(__AVX2__)
#include "kernel/isa/gemm_tile_avx2.hpp"
#else
#include "kernel/isa/gemm_tile_plain.hpp"
#endif

namespace hone::kernel::HONE_ISA {

// T: the operands' element type; width: of the panel.
template <class T>
HONE_INLINE void multiply_tile(std::int64_t width, const TileProduct& t) {
  if (width == 3 * lanes) return multiply_vectors<3, pair_of<T>>(t);
  if (width == 2 * lanes) return multiply_vectors<2, pair_of<T>>(t);
  multiply_vectors<1, pair_of<T>>(t);
}

}  // namespace hone::kernel::HONE_ISA
