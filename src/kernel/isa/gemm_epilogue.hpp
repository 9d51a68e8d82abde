// What happens to a tile of products between the registers and memory (kernel/gemm.hpp, Gemm), while it is in
// the first-level cache.
#pragma once
#include "kernel/gemm.hpp"
#include "kernel/isa/activation.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {

template <class T>
HONE_INLINE void store_valid(T* p, F v, std::int64_t n) {
  if (n >= lanes)
    store(p, v);
  else
    store_first(p, v, static_cast<int>(n));
}
// The same for a v that T can hold.
template <class T>
HONE_INLINE void store_exact_valid(T* p, F v, std::int64_t n) {
  if (n >= lanes)
    store_exact(p, v);
  else
    store_first(p, v, static_cast<int>(n));
}

HONE_INLINE F rounded_as(Element type, F v) {
  if (type == Element::bf16) return rounded_to<bf16>(v);
  return type == Element::f16 ? rounded_to<f16>(v) : v;
}

// The part of C that a tile covers.
struct TilePlace {
  std::int64_t row, column, rows, columns;
};

// T: C's type. forward: write the activation beside s; backward: multiply s by the derivative.
template <class T, Activation kind, bool forward, bool backward>
HONE_INLINE void finish_rows(const Gemm& g, const TilePlace& at, const float* tile,
                             std::int64_t tile_stride) {
  for (std::int64_t r = 0; r < at.rows; ++r)
    for (std::int64_t j = 0; j < at.columns; j += lanes) {
      const std::int64_t n = at.columns - j, offset = (at.row + r) * g.c_stride + at.column + j;
      F s = load(tile + r * tile_stride + j);
      if (g.bias) s = s + load_valid(g.bias + at.column + j, n);
      if constexpr (backward) {
        s = rounded_as(g.rounded, s);
        s = s * activation_gradient<kind>(load_valid(static_cast<const T*>(g.pre) + offset, n));
        if (g.residual) s = load_valid(g.residual + offset, n) + s;
        store_valid(static_cast<T*>(g.c.data) + offset, s, n);
        continue;
      }
      s = sizeof(T) == 2 ? rounded_to<T>(s) : rounded_as(g.rounded, s);  // once, and stored as it is
      if constexpr (forward) store_valid(static_cast<T*>(g.activated) + offset, activate<kind>(s), n);
      if (g.residual) s = load_valid(g.residual + offset, n) + s;
      if (!forward || g.c.data) store_exact_valid(static_cast<T*>(g.c.data) + offset, s, n);
    }
}

template <class T>
HONE_INLINE void finish_tile_as(const Gemm& g, const TilePlace& at, const float* tile, std::int64_t stride) {
  if (!g.activated && !g.pre) return finish_rows<T, Activation::none, false, false>(g, at, tile, stride);
  with_activation(
      g.activation, [&](auto kind) __attribute__((always_inline)) {
        if (g.activated)
          finish_rows<T, decltype(kind)::value, true, false>(g, at, tile, stride);
        else
          finish_rows<T, decltype(kind)::value, false, true>(g, at, tile, stride);
      });
}

// tile: [rows][stride] f32, whole vectors.
inline void finish_tile(const Gemm& g, const TilePlace& at, const float* tile, std::int64_t stride) {
  typed(g.c, [&]<class T>(T*) { finish_tile_as<T>(g, at, tile, stride); });
}

// Whether C is the product itself, so that whole tiles need no epilogue.
HONE_INLINE bool is_plain(const Gemm& g) {
  return g.c.type == Element::f32 && g.rounded == Element::f32 && !g.bias && !g.activated && !g.pre &&
         !g.residual;
}

}  // namespace hone::kernel::HONE_ISA
