#include "kernel/isa/cross_entropy_isa.hpp"

#include <type_traits>

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// A row is read once from memory: a chunk's maximum, then its sum from L1. f32 sums of a chunk keep 1e-7;
// chunks are added in f64.
constexpr std::int64_t chunk = 4096;

constexpr float infinity = __builtin_inff();

// e^x for x <= 80; 0 below -87 (e^-87 = 1.6e-38), NaN for NaN: a lost NaN would hide a broken step.
// simd.hpp's polynomial without its clamps, a third fewer operations: adding 1.5 * 2^23 + 127 rounds n = x
// log2 e to a whole number and leaves n + 127, the exponent of 2^n, in the low bits.
HONE_INLINE F exp_or_zero(F x) {
  const F magic = splat(12582912.0f + 127.0f);
  const F t = fma(x, splat(1.44269504f), magic);
  const F n = t - magic;
  return select(x < splat(-87.0f), F{}, exp_rest(x, n) * as_float(bits(t) << 23));
}

template <class T>
HONE_INLINE float max_of(const T* x, std::int64_t n) {
  F m[4];
  for (F& v : m) v = splat(-infinity);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int k = 0; k < 4; ++k) m[k] = max(load(x + i + k * lanes), m[k]);
  each(n - i, [&](std::int64_t j, auto part) {
    m[0] = max(first_of(get(x + i + j, part), splat(-infinity), part), m[0]);
  });
  return max(max(max(m[0], m[1]), max(m[2], m[3])));
}

template <class T>
HONE_INLINE double exp_sum_of(const T* x, std::int64_t n, float shift) {
  return sum_of(n, [&](std::int64_t i, auto part) {
    return first_of(exp_or_zero(get(x + i, part) - splat(shift)), F{}, part);
  });
}

template <class T>
RowSum row_of(const T* x, std::int64_t V, std::int64_t label) {
  RowSum r{-infinity, label < 0 ? -infinity : load_first(x + label, 1)[0], 0};
  for (std::int64_t first = 0; first < V; first += chunk) {
    const std::int64_t n = V - first < chunk ? V - first : chunk;
    const float m = max_of(x + first, n);
    const float shift = m == -infinity ? 0 : m;  // all masked (or NaN): e^-inf, not e^(-inf + inf)
    const std::int64_t own = label - first;
    double s;
    if (own >= 0 && own < n)
      s = exp_sum_of(x + first, own, shift) + exp_sum_of(x + first + own + 1, n - own - 1, shift);
    else
      s = exp_sum_of(x + first, n, shift);
    if (m > r.max) {
      r.rest = r.rest == 0 ? 0 : r.rest * __builtin_exp(static_cast<double>(r.max) - m);
      r.max = m;
    } else if (m < r.max && m != -infinity) {
      s *= __builtin_exp(static_cast<double>(m) - r.max);
    }
    r.rest += s;
  }
  return r;
}

RowSum row(In logits, std::int64_t first, std::int64_t V, std::int64_t label) {
  return typed(logits, [&](const auto* x) { return row_of(x + first, V, label); });
}

double sum_below(In logits, std::int64_t first, std::int64_t V, float from) {
  double sum = 0;
  typed(logits, [&](auto* x) {
    for (std::int64_t at = 0; at < V; at += chunk)
      sum += sum_of(V - at < chunk ? V - at : chunk, [&](std::int64_t i, auto part) {
        return first_of(splat(from) - get(x + first + at + i, part), F{}, part);
      });
  });
  return sum;
}

void gradient(In logits, Out d, std::int64_t first, std::int64_t n, std::int64_t label, Target target,
              float lse, float scale) {
  typed(logits, [&](auto* x) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
    T* to = static_cast<T*>(d.data) + first;
    x += first;
    const bool has_label = label >= 0 && label < n;
    const F at_label = has_label ? load_first(x + label, 1) : F{};  // before d overwrites it
    each(n, [&](std::int64_t i, auto part) {
      put(to + i, splat(scale) * (exp_or_zero(get(x + i, part) - splat(lse)) - splat(target.other)), part);
    });
    if (has_label)
      store_first(to + label, splat(scale) * (exp_or_zero(at_label - splat(lse)) - splat(target.label)), 1);
  });
}

void zero(Out d, std::int64_t first, std::int64_t n) {
  typed(d, [&](auto* to) { std::memset(to + first, 0, static_cast<std::size_t>(n) * sizeof *to); });
}

}  // namespace

const CrossEntropyTable cross_entropy_table{row, sum_below, gradient, zero};

}  // namespace hone::kernel::HONE_ISA
