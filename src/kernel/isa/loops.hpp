// Loops over a row by vectors, with the tail written once: a body is called with Whole for full vectors and
// with First for what is left, and reads and writes through get() and put().
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

struct Whole {};
struct First {
  int n;
};

template <class T>
HONE_INLINE F get(const T* p, Whole) {
  return load(p);
}
template <class T>
HONE_INLINE F get(const T* p, First part) {
  return load_first(p, part.n);
}
template <class T>
HONE_INLINE void put(T* p, F v, Whole) {
  store(p, v);
}
template <class T>
HONE_INLINE void put(T* p, F v, First part) {
  store_first(p, v, part.n);
}

// v in the lanes of the part, `other` in the rest.
HONE_INLINE F first_of(F v, F, Whole) { return v; }
HONE_INLINE F first_of(F v, F other, First part) {
  I index;
  for (int i = 0; i < lanes; ++i) index[i] = i;
  return select(index < (I{} + part.n), v, other);
}

template <class Body>
HONE_INLINE void each(std::int64_t n, const Body& body) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, Whole{});
  if (i < n) body(i, First{static_cast<int>(n - i)});
}

// The same for a body that adds to partial sums (simd.hpp): it is also told which of them its vector holds.
template <class Body>
HONE_INLINE void each_summed(std::int64_t n, const Body& body) {
  std::int64_t i = 0;
  for (; i + sum_lanes <= n; i += sum_lanes)
#pragma GCC unroll 4
    for (int k = 0; k < sum_parts; ++k) body(i + k * lanes, k, Whole{});
#pragma GCC unroll 4
  for (int k = 0; k < sum_parts; ++k, i += lanes) {
    if (i + lanes <= n)
      body(i, k, Whole{});
    else if (i < n)
      body(i, k, First{static_cast<int>(n - i)});
  }
}

// Sum of term(i, part) over a row: four sums of every fourth 16 elements, so that the adder's latency is
// hidden. term gives 0 in the lanes outside its part. The order depends on n alone.
template <class Term>
HONE_INLINE float sum_of(std::int64_t n, const Term& term) {
  F s[4][sum_parts] = {};
  std::int64_t i = 0;
  for (; i + 4 * sum_lanes <= n; i += 4 * sum_lanes)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
#pragma GCC unroll 4
      for (int k = 0; k < sum_parts; ++k) s[j][k] += term(i + j * sum_lanes + k * lanes, Whole{});
  each_summed(n - i, [&](std::int64_t j, int k, auto part) { s[0][k] += term(i + j, part); });
  F all[sum_parts];
  for (int k = 0; k < sum_parts; ++k) all[k] = (s[0][k] + s[1][k]) + (s[2][k] + s[3][k]);
  return sum(all);
}

// Calls body with the pointer in its element type.
template <class Body>
HONE_INLINE auto typed(In x, const Body& body) {
  if (x.type == Element::f32) return body(static_cast<const float*>(x.data));
  if (x.type == Element::bf16) return body(static_cast<const bf16*>(x.data));
  return body(static_cast<const f16*>(x.data));
}
template <class Body>
HONE_INLINE auto typed(Out y, const Body& body) {
  if (y.type == Element::f32) return body(static_cast<float*>(y.data));
  if (y.type == Element::bf16) return body(static_cast<bf16*>(y.data));
  return body(static_cast<f16*>(y.data));
}

}  // namespace hone::kernel::HONE_ISA
