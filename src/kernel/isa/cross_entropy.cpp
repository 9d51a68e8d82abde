#include "kernel/isa/cross_entropy_isa.hpp"

#include <type_traits>

#include "kernel/isa/softmax_sums.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

template <class T>
RowSum row_of(const T* x, std::int64_t V, std::int64_t label) {
  RowSum r{-infinity, label < 0 ? -infinity : load_first(x + label, 1)[0], 0};
  for (std::int64_t first = 0; first < V; first += softmax_chunk) {
    const std::int64_t n = V - first < softmax_chunk ? V - first : softmax_chunk;
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
    for (std::int64_t at = 0; at < V; at += softmax_chunk)
      sum += sum_of(V - at < softmax_chunk ? V - at : softmax_chunk, [&](std::int64_t i, auto part) {
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
