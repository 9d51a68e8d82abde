// What the optimizers of AdamW's formula share: its numbers, and how a step fills kernel::AdamWStep.
#pragma once
#include <bit>
#include <cmath>

#include "base/random.hpp"
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

// Weights are f32, or bf16 that is rounded by numbers drawn for the step.
inline void require_weight(const InferInput& i, std::size_t weight, std::size_t step) {
  if (i.in[weight].dtype == DType::bf16) return i.require(step, op::step_type());
  i.require(weight, op::f32(i.in[weight].shape));
}
// Gradients of bf16 weights may be bf16.
inline void require_gradient(const InferInput& i, std::size_t weight, std::size_t gradient) {
  const bool narrow = i.in[weight].dtype == DType::bf16 && i.in[gradient].dtype == DType::bf16;
  i.require(gradient, {i.in[weight].shape, narrow ? DType::bf16 : DType::f32});
}
inline std::uint64_t rounding_key(const Call& c, std::size_t step) {
  return c.in[step] ? op::random_key(c.attributes.as<UpdateAttributes>().stream, op::step_info(c.in[step]))
                    : 0;
}
// The next value of element i of the first output. bf16: what of w bf16 cannot hold is added to 16 drawn
// bits, and w goes up where that carries: on average w stays.
inline void set_weight(const Call& c, std::size_t step, std::int64_t i, float w) {
  if (!c.in[step]) return op::set(c.out[0], i, static_cast<double>(w));
  const auto index = static_cast<std::uint64_t>(i);
  const std::uint32_t word = philox(rounding_key(c, step), index / 8, 0)[(index % 8) / 2];
  const std::uint32_t sum = std::bit_cast<std::uint32_t>(w) + (index % 2 ? word >> 16 : word & 0xffffu);
  op::set(c.out[0], i, static_cast<double>(to_f32(bf16{static_cast<std::uint16_t>(sum >> 16)})));
}

}  // namespace hone::adamw
