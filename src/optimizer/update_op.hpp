// What the files of optimizers share: the scalars by name, and elementwise updates.
#pragma once
#include <algorithm>

#include "op/common.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {

namespace scalar {
inline bool from_zero(float x) { return x >= 0; }
inline bool above_zero(float x) { return x > 0; }
inline bool below_one(float x) { return x >= 0 && x < 1; }
inline constexpr OptimizerScalar lr{"lr", 1e-3f, from_zero, "0 or more, finite"};
// An unused row of a table divides 0 by it.
inline constexpr OptimizerScalar epsilon{"epsilon", 1e-8f, above_zero, "above 0, finite"};
constexpr OptimizerScalar beta1(float standard) { return {"beta1", standard, below_one, "0 <= beta1 < 1"}; }
constexpr OptimizerScalar beta2(float standard) { return {"beta2", standard, below_one, "0 <= beta2 < 1"}; }
constexpr OptimizerScalar momentum(float standard) {
  return {"momentum", standard, below_one, "0 <= momentum < 1"};
}
constexpr OptimizerScalar weight_decay(float standard) {
  return {"weight_decay", standard, from_zero, "0 or more, finite"};
}
}  // namespace scalar

// The op of an optimizer that keeps one f32 moment of each weight and whose hyper input is its scalars:
// (weight, gradient, moment, hyper, clip_scale) -> next weight, moment. Memory is the limit of such an
// update, so a plain loop will do, and every operation is rounded on its own: the same bits on every
// instruction set.
struct OneMomentInputs {
  enum : std::size_t { weight, gradient, moment, hyper, clip_scale };
};
inline constexpr InputRecord one_moment_inputs[] = {
    {"weight"}, {"gradient"}, {"moment"}, {"hyper"}, {"clip_scale"}};

template <int hyper_floats>
std::vector<OutputSpec> infer_one_moment(const InferInput& i) {
  using In = OneMomentInputs;
  i.require(In::gradient, i.in[In::weight]);
  i.require(In::moment, i.in[In::weight]);
  i.require(In::hyper, op::f32({hyper_floats}));
  i.require(In::clip_scale, op::f32({1}));
  return {{i.in[In::weight], In::weight}, {i.in[In::moment], In::moment}};
}

// rule(hyper, gradient, weight, moment): writes the last two. hyper.decay is 0 where decay does not apply.
template <class Rule, class Hyper>
void run_one_moment(const Call& c, Hyper hyper, const Rule& rule) {
  using In = OneMomentInputs;
  const float *g = c.in[In::gradient].as<float>(), scale = *c.in[In::clip_scale].as<float>();
  float *w = c.out[0].as<float>(), *m = c.out[1].as<float>();
  const std::int64_t n = c.in[In::weight].type.shape.elements();
  constexpr std::int64_t block = 16384;
  if (!c.attributes.as<UpdateAttributes>().decay) hyper.weight_decay = 0;
  c.pool->run((n + block - 1) / block, [&](std::int64_t task, int) {
    for (std::int64_t i = task * block; i < std::min(n, (task + 1) * block); ++i)
      rule(hyper, g[i] * scale, w[i], m[i]);
  });
}

// The same in f64, one after the other.
template <class Rule, class Hyper>
void reference_one_moment(const Call& c, Hyper hyper, const Rule& rule) {
  using In = OneMomentInputs;
  if (!c.attributes.as<UpdateAttributes>().decay) hyper.weight_decay = 0;
  for (std::int64_t i = 0; i < c.in[In::weight].type.shape.elements(); ++i) {
    double w = op::get(c.in[In::weight], i), m = op::get(c.in[In::moment], i);
    rule(hyper, op::get(c.in[In::gradient], i) * op::get(c.in[In::clip_scale], 0), w, m);
    op::set(c.out[0], i, w);
    op::set(c.out[1], i, m);
  }
}

inline void fill_with_scalars(std::span<const float> scalars, std::int64_t, std::span<float> hyper) {
  std::copy(scalars.begin(), scalars.end(), hyper.begin());
}

}  // namespace hone
