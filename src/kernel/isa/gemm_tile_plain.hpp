// gemm_tile.hpp for any machine, in C++.
#pragma once
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

template <int vectors, int pair>
HONE_INLINE void multiply_vectors(const TileProduct& t) {
  F sum[tile_rows][vectors];
  for (int r = 0; r < tile_rows; ++r)
    for (int v = 0; v < vectors; ++v) sum[r][v] = t.from_c ? load(t.c + r * t.c_stride + v * lanes) : F{};
  const char* a = static_cast<const char*>(t.a);
  const float* b = reinterpret_cast<const float*>(t.b);
  for (std::int64_t k = 0; k < t.units; ++k, a += t.a_unit_bytes, b += vectors * lanes) {
    F column[vectors];
    for (int v = 0; v < vectors; ++v) column[v] = load(b + v * lanes);
    for (int r = 0; r < tile_rows; ++r) {
      float x;
      std::memcpy(&x, a + r * t.a_row_bytes, 4);
      for (int v = 0; v < vectors; ++v) sum[r][v] = fma(splat(x), column[v], sum[r][v]);
    }
  }
  for (int r = 0; r < tile_rows; ++r)
    for (int v = 0; v < vectors; ++v) {
      float* c = t.c + r * t.c_stride + v * lanes;
      store(c, t.add_to_c ? load(c) + sum[r][v] : sum[r][v]);
    }
}

}  // namespace hone::kernel::HONE_ISA
