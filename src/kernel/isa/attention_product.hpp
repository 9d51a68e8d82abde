// The one product of attention, C[M,N] (+)= A[M,K] B[K,N], on operands that attention_pack.hpp has laid out.
// The unit of A and B is 32 bits: one f32, or a pair of bf16 that are neighbours along K. C is f32.
//
// B and C have vectors along N; A is read by broadcasts. 4 rows x 4 vectors of accumulators (AVX-512) keep
// both multipliers busy: 16 multiply-adds for 8 loads. Narrower strips take more rows, so that there are
// never fewer than 12 chains to hide the latency. Each element is one chain over K in order, whatever the
// tile.
#pragma once
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

using Index = std::int64_t;

constexpr Index block = 64;  // queries and keys of a block
constexpr Index block_vectors = block / lanes;
constexpr int strip = lanes == 16 ? 4 : 2;  // vectors of a full strip

constexpr Index round_up(Index n, Index m) { return (n + m - 1) / m * m; }

struct F32 {
  using Element = float;
  static constexpr Index pair = 1;  // elements of a unit
  static constexpr bool rounds = false;
  static HONE_INLINE F dot(F a, F b, F c) { return fma(a, b, c); }
};

#if defined(__AVX512BF16__)
struct Bf16 {
  using Element = std::uint16_t;
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
  using Element = std::uint16_t;
  static constexpr Index pair = 1;
  static constexpr bool rounds = true;
  static HONE_INLINE F dot(F a, F b, F c) { return fma(a, b, c); }
};
#endif

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

struct Operands {
  const float* a;
  Index a_step;
  const float* b;
  Index b_step;  // units from one k to the next
  float* c;
  Index c_step;  // floats from one row to the next
};

template <class Type, int R, int V, bool adjacent>
__attribute__((noinline)) void product_strip(const Operands& p, Index M, Index K, bool accumulate) {
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

// M is a multiple of 16, `vectors` those of N.
template <class Type, bool adjacent>
HONE_INLINE void product(Operands p, Index M, Index vectors, Index K, bool accumulate) {
  while (vectors > 0) {
    Index taken = vectors < strip ? vectors : strip;
    switch (taken) {
#if defined(__AVX512F__)
      case 4:
        product_strip<Type, 4, 4, adjacent>(p, M, K, accumulate);
        break;
      case 3:
        product_strip<Type, 4, 3, adjacent>(p, M, K, accumulate);
        break;
      case 2:
        product_strip<Type, 8, 2, adjacent>(p, M, K, accumulate);
        break;
      default:
        product_strip<Type, 16, 1, adjacent>(p, M, K, accumulate);
#else
      case 2:
        product_strip<Type, 4, 2, adjacent>(p, M, K, accumulate);
        break;
      default:
        product_strip<Type, 8, 1, adjacent>(p, M, K, accumulate);
#endif
    }
    p.b += taken * lanes;
    p.c += taken * lanes;
    vectors -= taken;
  }
}

}  // namespace hone::kernel::HONE_ISA
