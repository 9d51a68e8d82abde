// What the optimizers of AdamW's formula share: its numbers, and how a step fills kernel::AdamWStep.
#pragma once
#include <cmath>

#include "kernel/optimizer.hpp"
#include "optimizer/update_op.hpp"

namespace hone::adamw {

inline constexpr int hyper_floats = sizeof(kernel::AdamWStep) / sizeof(float);
inline constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::beta1(0.9f), scalar::beta2(0.95f),
                                              scalar::epsilon, scalar::weight_decay(0.1f)};

inline void fill_hyper(std::span<const float> s, std::int64_t step, std::span<float> hyper) {
  std::copy(s.begin(), s.end(), hyper.begin());
  const auto correction = [&](float beta) {
    return static_cast<float>(1 - std::pow(static_cast<double>(beta), static_cast<double>(step)));
  };
  hyper[5] = correction(s[1]);
  hyper[6] = correction(s[2]);
}

}  // namespace hone::adamw
