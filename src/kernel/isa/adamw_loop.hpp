// AdamW on the elements of a task; see kernel/optimizer.hpp for the formula.
#pragma once
#include <type_traits>

#include "kernel/isa/loops.hpp"
#include "kernel/isa/optimizer_isa.hpp"
#include "kernel/isa/philox.hpp"

namespace hone::kernel::HONE_ISA {

template <class Part>
HONE_INLINE F weight(const float* w, std::int64_t i, Part part) {
  return get(w + i, part);
}
template <class Part>
HONE_INLINE void set_weight(float* w, std::int64_t i, F v, Part part) {
  put(w + i, v, part);
}

// bf16, with 16 drawn bits for each element.
struct Rounded {
  bf16* w;
  const bf16* drawn;  // their bits alone
};
template <class Part>
HONE_INLINE F weight(Rounded r, std::int64_t i, Part part) {
  return get(r.w + i, part);
}
HONE_INLINE F rounded_by(F v, F drawn) {  // whose upper halves are the drawn bits
  return as_float((I)(((U)bits(v) + ((U)bits(drawn) >> 16)) & 0xffff0000u));
}
HONE_INLINE void set_weight(Rounded r, std::int64_t i, F v, Whole) {
  store_exact(r.w + i, rounded_by(v, load(r.drawn + i)));
}
HONE_INLINE void set_weight(Rounded r, std::int64_t i, F v, First part) {
  bf16 all[lanes];
  store_exact(all, rounded_by(v, load_first(r.drawn + i, part.n)));
  std::memcpy(r.w + i, all, static_cast<std::size_t>(part.n) * sizeof *all);
}

// w1 is also stored in `low`, unless that is of type nullptr_t.
template <class Weight, class Gradient, class Low>
HONE_INLINE void adamw_loop(const AdamWCoefficients& c, Weight w, const Gradient* gradient, float* m,
                            float* v, Low low, std::int64_t n) {
  each(n, [&](std::int64_t i, auto part) {
    const F g = get(gradient + i, part) * splat(c.clip_scale);
    const F m1 = splat(c.beta1) * get(m + i, part) + splat(c.one_minus_beta1) * g;
    const F v1 = splat(c.beta2) * get(v + i, part) + splat(c.one_minus_beta2) * (g * g);
    const F step =
        splat(c.lr) * (m1 / splat(c.correction1)) / (sqrt(v1 / splat(c.correction2)) + splat(c.epsilon));
    const F w1 = weight(w, i, part) * splat(c.kept_share) - step;
    put(m + i, m1, part);
    put(v + i, v1, part);
    set_weight(w, i, w1, part);
    if constexpr (std::is_pointer_v<Low>) put(low + i, w1, part);
  });
}

// By chunks, each with its bits.
template <class Gradient>
HONE_INLINE void adamw_rounded(const AdamWCoefficients& c, const UpdatedWeight& w, const Gradient* gradient,
                               float* m, float* v, std::int64_t n) {
  constexpr std::int64_t chunk = 256, together = 8 * lanes;
  alignas(64) bf16 drawn[chunk];
  for (std::int64_t i = 0; i < n; i += chunk) {
    for (std::int64_t k = 0; k < chunk; k += together)
      philox_words(w.key, static_cast<std::uint64_t>(w.first + i + k) / 8, drawn + k);
    adamw_loop(c, Rounded{static_cast<bf16*>(w.w.data) + i, drawn}, gradient + i, m + i, v + i, nullptr,
               n - i < chunk ? n - i : chunk);
  }
}

HONE_INLINE void adamw_any(const AdamWCoefficients& c, const UpdatedWeight& w, const In& gradient_of,
                           float* m, float* v, Out low, std::int64_t n) {
  if (gradient_of.type == Element::bf16)
    return adamw_rounded(c, w, static_cast<const bf16*>(gradient_of.data), m, v, n);
  const auto* gradient = static_cast<const float*>(gradient_of.data);
  if (w.w.type == Element::bf16) return adamw_rounded(c, w, gradient, m, v, n);
  auto* wide = static_cast<float*>(w.w.data);
  if (!low.data) return adamw_loop(c, wide, gradient, m, v, nullptr, n);
  typed(low, [&](auto* copy) { adamw_loop(c, wide, gradient, m, v, copy, n); });
}

}  // namespace hone::kernel::HONE_ISA
