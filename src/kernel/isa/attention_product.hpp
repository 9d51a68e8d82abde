// The one product of attention, C[M,N] (+)= A[M,K] B[K,N], on operands that attention_pack.hpp has laid out.
// The unit of A and B is 32 bits: one f32, or a pair of bf16 that are neighbours along K. C is f32.
//
// B and C have vectors along N; A is read by broadcasts. 4 rows x 4 vectors of accumulators (AVX-512) keep
// both multipliers busy: 16 multiply-adds for 8 loads. Narrower strips take more rows, so that there are
// never fewer than 12 chains to hide the latency; with AVX2 assembly takes 4 x 3. Each element is one chain
// over K in order, whatever the tile.
#pragma once
#include <type_traits>

#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

using Index = std::int64_t;

constexpr Index block = 64;  // queries and keys of a block
constexpr Index block_vectors = block / lanes;

constexpr Index round_up(Index n, Index m) { return (n + m - 1) / m * m; }

// How attention computes (Arithmetic): in what units and with which rounding; and from what elements in
// memory.
struct F32 {
  using Element = float;
  using Arithmetic = F32;
  static constexpr Index pair = 1;  // elements of a unit
  static constexpr bool rounds = false;
  static HONE_INLINE F dot(F a, F b, F c) { return fma(a, b, c); }
};

#if defined(__AVX512BF16__)
struct Bf16 {
  using Element = bf16;
  using Arithmetic = Bf16;
  static constexpr Index pair = 2;
  static constexpr bool rounds = true;
  static HONE_INLINE F dot(F a, F b, F c) {
    __m512bh x, y;
    std::memcpy(&x, &a, sizeof x);
    std::memcpy(&y, &b, sizeof y);
    return (F)_mm512_dpbf16_ps((__m512)c, x, y);
  }
};
#else
struct Bf16 {  // widened while packed
  using Element = bf16;
  using Arithmetic = Bf16;
  static constexpr Index pair = 1;
  static constexpr bool rounds = true;
  static HONE_INLINE F dot(F a, F b, F c) { return fma(a, b, c); }
};
#endif

// Widened while packed; from there on f32, probabilities too: these are below 2^30 (attention_forward.cpp),
// not below 2^16.
struct F16 {
  using Element = f16;
  using Arithmetic = F32;
  static constexpr Index pair = 1;
};

struct Operands {
  const float* a;
  Index a_step;
  const float* b;
  Index b_step;  // units from one k to the next
  float* c;
  Index c_step;  // floats from one row to the next
};

// Vectors of N are taken by strips. A strip of V vectors has tiles of strip_rows<V> rows.
#if defined(__AVX512F__)
constexpr Index next_strip(Index left) { return left < 4 ? left : 4; }
template <int V>
constexpr int strip_rows = V == 1   ? 16
                           : V == 2 ? 8
                                    : 4;
#elif defined(__AVX2__)
constexpr Index next_strip(Index left) { return left == 3 || left > 4 ? 3 : left > 1 ? 2 : 1; }  // 4 is 2 + 2
template <int V>
constexpr int strip_rows = 4;
#else
constexpr Index next_strip(Index left) { return left < 2 ? left : 2; }
template <int V>
constexpr int strip_rows = V == 1 ? 8 : 4;
#endif

// body(v, V): a strip of V vectors (an integral constant) from v on.
template <class Body>
HONE_INLINE void each_strip(Index first, Index end, const Body& body) {
  for (Index v = first, taken; v < end; v += taken) {
    taken = next_strip(end - v);
    if (taken == 1) body(v, std::integral_constant<int, 1>{});
    if (taken == 2) body(v, std::integral_constant<int, 2>{});
#if defined(__AVX2__)
    if (taken == 3) body(v, std::integral_constant<int, 3>{});
#endif
#if defined(__AVX512F__)
    if (taken == 4) body(v, std::integral_constant<int, 4>{});
#endif
  }
}

#if defined(__AVX2__) && !defined(__AVX512F__)
}  // namespace hone::kernel::HONE_ISA
#include "kernel/isa/attention_tile_avx2.hpp"
namespace hone::kernel::HONE_ISA {
#else

// All lanes the unit at p, whatever its bits mean.
HONE_INLINE F broadcast(const float* p) {
#if defined(__AVX512F__)
  return (F)_mm512_set1_ps(*p);
#elif defined(__AVX2__)
  return (F)_mm256_broadcast_ss(p);
#else
  return F{*p, *p, *p, *p};
#endif
}

// c[r][v] += sum over k of A[r,k] * B[k, vector v]. A[r,k] is a[r + k*a_step] when `adjacent`, else
// a[r*a_step + k]. K is a multiple of 4: unrolled, the loop is short enough that its end is predicted.
template <class Type, int R, int V, bool adjacent>
HONE_INLINE void multiply(const float* a, Index a_step, const float* b, Index b_step, Index K, F (&c)[R][V]) {
  for (Index k = 0; k < K; k += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      F x[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) x[v] = load(b + v * lanes);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const F y = broadcast(adjacent ? a + r : a + r * a_step + i);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) c[r][v] = Type::dot(y, x[v], c[r][v]);
      }
      if (adjacent) a += a_step;
      b += b_step;
    }
    if (!adjacent) a += 4;
  }
}

// c = A B from zero, in registers: rows of A a_step apart, B's units `block` apart.
template <class Type, int R, int V>
HONE_INLINE void multiply_scores(const float* a, Index a_step, const float* b, Index K, F (&c)[R][V]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) c[r][v] = F{};
  multiply<Type, R, V, false>(a, a_step, b, block, K, c);
}

template <class Type, int V, bool adjacent>
__attribute__((noinline)) void product_strip(const Operands& p, Index M, Index K, bool accumulate) {
  constexpr int R = strip_rows<V>;
  for (Index m = 0; m < M; m += R) {
    F acc[R][V] = {};
    float* c = p.c + m * p.c_step;
    if (accumulate) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[r][v] = load(c + r * p.c_step + v * lanes);
    }
    multiply<Type, R, V, adjacent>(p.a + (adjacent ? m : m * p.a_step), p.a_step, p.b, p.b_step, K, acc);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(c + r * p.c_step + v * lanes, acc[r][v]);
  }
}

#endif

// M is a multiple of 16, `vectors` those of N.
template <class Type, bool adjacent>
HONE_INLINE void product(const Operands& p, Index M, Index vectors, Index K, bool accumulate) {
  each_strip(
      0, vectors, [&](Index v, auto V) __attribute__((always_inline)) {
        Operands strip = p;
        strip.b += v * lanes;
        strip.c += v * lanes;
        product_strip<Type, V(), adjacent>(strip, M, K, accumulate);
      });
}

}  // namespace hone::kernel::HONE_ISA
