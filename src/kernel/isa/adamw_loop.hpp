// AdamW on the elements of a task; see kernel/optimizer.hpp for the formula.
#pragma once
#include <type_traits>

#include "kernel/isa/loops.hpp"
#include "kernel/isa/optimizer_isa.hpp"

namespace hone::kernel::HONE_ISA {

// w1 is also stored in `low`, unless that is of type nullptr_t.
template <class Low>
HONE_INLINE void adamw_loop(const AdamWCoefficients& c, float* w, const float* gradient, float* m, float* v,
                            Low low, std::int64_t n) {
  each(n, [&](std::int64_t i, auto part) {
    const F g = get(gradient + i, part) * splat(c.clip_scale);
    const F m1 = splat(c.beta1) * get(m + i, part) + splat(c.one_minus_beta1) * g;
    const F v1 = splat(c.beta2) * get(v + i, part) + splat(c.one_minus_beta2) * (g * g);
    const F step =
        splat(c.lr) * (m1 / splat(c.correction1)) / (sqrt(v1 / splat(c.correction2)) + splat(c.epsilon));
    const F w1 = get(w + i, part) * splat(c.kept_share) - step;
    put(m + i, m1, part);
    put(v + i, v1, part);
    put(w + i, w1, part);
    if constexpr (std::is_pointer_v<Low>) put(low + i, w1, part);
  });
}

}  // namespace hone::kernel::HONE_ISA
