#include "kernel/isa/soft_targets_isa.hpp"

#include <type_traits>

#include "kernel/isa/softmax_sums.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// Adds a part of a sum, relative to its own largest value, to the whole.
HONE_INLINE void join(float& max, double& sum, float part_max, double part) {
  if (part_max > max) {
    sum = sum == 0 ? 0 : sum * __builtin_exp(static_cast<double>(max) - part_max);
    max = part_max;
  } else if (part_max < max && part_max != -infinity) {
    part *= __builtin_exp(static_cast<double>(part_max) - max);
  }
  sum += part;
}

// Calls body with the place in [first, first + n) of each known class that is there.
template <class Body>
HONE_INLINE void known_in(KnownClasses known, std::int64_t first, std::int64_t n, const Body& body) {
  for (std::int64_t i = 0; i < known.count; ++i) {
    const std::int64_t at = known.ids[i] - first;
    if (at >= 0 && at < n) body(at, i);
  }
}

float logit(In logits, std::int64_t at, float inverse_temperature) {
  return typed(logits, [&](const auto* x) { return load_first(x + at, 1)[0] * inverse_temperature; });
}

// The known classes are taken out of a copy of each chunk: subtracted from the whole sum, they would leave
// nothing of a small rest.
SoftSums sums(In logits, std::int64_t first, std::int64_t V, KnownClasses known, float inverse_temperature) {
  float others_max = -infinity, known_max = -infinity;
  double others = 0, sum = 0;
  alignas(64) float y[softmax_chunk];
  for (std::int64_t at = 0; at < V; at += softmax_chunk) {
    const std::int64_t n = V - at < softmax_chunk ? V - at : softmax_chunk;
    typed(logits, [&](const auto* x) {
      each(n, [&](std::int64_t i, auto part) {
        put(y + i, get(x + first + at + i, part) * splat(inverse_temperature), part);
      });
    });
    known_in(known, at, n, [&](std::int64_t i, std::int64_t) { y[i] = -infinity; });
    const float m = max_of(y, n);
    join(others_max, others, m, exp_sum_of(y, n, m == -infinity ? 0 : m));
  }
  for (std::int64_t i = 0; i < known.count; ++i) {
    const float own = logit(logits, first + known.ids[i], inverse_temperature);
    join(known_max, sum, own, own == -infinity ? 0.0 : 1.0);
    if (own != own) sum = own;
  }
  SoftSums s{others_max, sum, others};  // both relative to the larger maximum
  join(s.max, s.others, known_max, 0);
  join(known_max, s.known, others_max, 0);
  return s;
}

void gradient(In logits, Out d, std::int64_t first, std::int64_t V, const SoftGradient& g) {
  typed(logits, [&](auto* x) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
    T* to = static_cast<T*>(d.data) + first;
    x += first;
    alignas(64) float from[softmax_chunk], made[softmax_chunk];  // d may be the logits
    const auto hard = [&](F v) { return splat(g.hard) * exp_or_zero(v - splat(g.lse)); };
    const auto soft = [&](F v) { return exp_or_zero(v * splat(g.inverse_temperature) - splat(g.soft_lse)); };
    for (std::int64_t at = 0; at < V; at += softmax_chunk) {
      const std::int64_t n = V - at < softmax_chunk ? V - at : softmax_chunk;
      each(n, [&](std::int64_t i, auto part) {
        const F v = get(x + at + i, part);
        put(from + i, v, part);
        put(made + i, hard(v) + splat(g.soft_others) * soft(v), part);
      });
      known_in(g.known, at, n, [&](std::int64_t i, std::int64_t which) {
        const F v = load_first(from + i, 1);
        store_first(made + i, hard(v) + splat(g.soft) * (soft(v) - splat(g.masses[which] * g.mass_unit)), 1);
      });
      if (g.label >= at && g.label < at + n) made[g.label - at] -= g.hard;
      each(n, [&](std::int64_t i, auto part) { put(to + at + i, get(made + i, part), part); });
    }
  });
}

}  // namespace

const SoftTargetsTable soft_targets_table{sums, logit, gradient};

}  // namespace hone::kernel::HONE_ISA
