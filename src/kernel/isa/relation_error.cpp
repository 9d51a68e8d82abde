#include "kernel/isa/relation_error_isa.hpp"

#include <type_traits>

#include "kernel/isa/softmax_sums.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// x_t with R others side by side: a number of theirs is loaded once, and the bits are those of R = 1.
template <int R, class T>
HONE_INLINE void dots(const T* own, const T* others, std::int64_t stride, std::int64_t d, float factor,
                      float* to) {
  F s[R][sum_parts] = {};
  each_summed(d, [&](std::int64_t i, int k, auto part) {
    const F v = get(own + i, part);
    for (int r = 0; r < R; ++r) s[r][k] = fma(v, get(others + r * stride + i, part), s[r][k]);
  });
  for (int r = 0; r < R; ++r) to[r] = factor * sum(s[r]);
}

void scores(const RelationRows& rows, std::int64_t t, std::int64_t count, float* to) {
  constexpr int together = 4;
  const float factor = 1 / __builtin_sqrtf(static_cast<float>(rows.d));
  typed(rows.x, [&](const auto* x) {
    const auto *all = x + rows.first, *own = all + t * rows.stride;
    std::int64_t j = 0;
    for (; j + together <= count; j += together)
      dots<together>(own, all + j * rows.stride, rows.stride, rows.d, factor, to + j);
    for (; j < count; ++j) dots<1>(own, all + j * rows.stride, rows.stride, rows.d, factor, to + j);
  });
}

float lse(const float* scores, std::int64_t n) {
  const float largest = max_of(scores, n);
  return largest + static_cast<float>(__builtin_log(exp_sum_of(scores, n, largest)));
}

float divergence(const float* own, const float* target, std::int64_t n, float own_lse, float target_lse) {
  return sum_of(n, [&](std::int64_t j, auto part) {
    const F log_q = get(target + j, part) - splat(target_lse), log_p = get(own + j, part) - splat(own_lse);
    return first_of(exp_or_zero(log_q) * (log_q - log_p), F{}, part);
  });
}

// p - q of row `lse`, at scores that it shares.
HONE_INLINE F off(F own, F target, F own_lse, F target_lse) {
  return exp_or_zero(own - own_lse) - exp_or_zero(target - target_lse);
}

// Of t's own row what it sees, and of the rows that see t what they make of it.
void slopes(const RelationSlopes& s, float* own, const float* target) {
  const F x_lse = splat(s.x_lse[s.t]), target_lse = splat(s.target_lse[s.t]), counts = splat(s.counts[s.t]);
  const auto row = [&](std::int64_t j, auto part) {
    return off(get(own + j, part), get(target + j, part), x_lse, target_lse) * counts;
  };
  const auto column = [&](std::int64_t j, auto part) {
    return off(get(own + j, part), get(target + j, part), get(s.x_lse + j, part),
               get(s.target_lse + j, part)) *
           get(s.counts + j, part);
  };
  if (!s.causal)
    return each(s.T, [&](std::int64_t j, auto part) { put(own + j, row(j, part) + column(j, part), part); });
  const F both = row(s.t, First{1}) + column(s.t, First{1});
  each(s.t, [&](std::int64_t j, auto part) { put(own + j, row(j, part), part); });
  each(s.T - s.t, [&](std::int64_t j, auto part) { put(own + s.t + j, column(s.t + j, part), part); });
  store_first(own + s.t, both, 1);
}

void combine(const RelationRows& rows, std::int64_t count, const float* c, float scale, Out d,
             std::int64_t first) {
  typed(rows.x, [&](const auto* x) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
    T* to = static_cast<T*>(d.data) + first;
    each(rows.d, [&](std::int64_t i, auto part) {
      F sum = splat(0);
      const auto* from = x + rows.first + i;
      for (std::int64_t j = 0; j < count; ++j) sum = fma(splat(c[j]), get(from + j * rows.stride, part), sum);
      put(to + i, sum * splat(scale), part);
    });
  });
}

}  // namespace

const RelationErrorTable relation_error_table{scores, lse, divergence, slopes, combine};

}  // namespace hone::kernel::HONE_ISA
