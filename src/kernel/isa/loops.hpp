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
HONE_INLINE F keep(F v, F, Whole) { return v; }
HONE_INLINE F keep(F v, F other, First part) {
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

// Sum of term(i, part) over a row: four sums of every fourth vector, so that the adder's latency is hidden.
// term gives 0 in the lanes outside its part. The order depends on n alone.
template <class Term>
HONE_INLINE F sum_of(std::int64_t n, const Term& term) {
  F s[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) s[k] += term(i + k * lanes, Whole{});
  each(n - i, [&](std::int64_t j, auto part) { s[0] += term(i + j, part); });
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// Calls body with the pointer in its element type.
template <class Body>
HONE_INLINE void typed(In x, const Body& body) {
  if (x.type == Element::f32)
    body(static_cast<const float*>(x.data));
  else
    body(static_cast<const std::uint16_t*>(x.data));
}
template <class Body>
HONE_INLINE void typed(Out y, const Body& body) {
  if (y.type == Element::f32)
    body(static_cast<float*>(y.data));
  else
    body(static_cast<std::uint16_t*>(y.data));
}

}  // namespace hone::kernel::HONE_ISA
