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
inline constexpr OptimizerScalar lr{"lr", 1e-3f, from_zero, "0 or more, finite", "learning rate"};
// An unused row of a table divides 0 by it.
inline constexpr OptimizerScalar epsilon{"epsilon", 1e-8f, above_zero, "above 0, finite",
                                         "beside the root of the squares"};
constexpr OptimizerScalar beta1(float standard) {
  return {"beta1", standard, below_one, "0 <= beta1 < 1", "of the mean, how much is kept"};
}
constexpr OptimizerScalar beta2(float standard) {
  return {"beta2", standard, below_one, "0 <= beta2 < 1", "of the squares or the mean, how much is kept"};
}
constexpr OptimizerScalar momentum(float standard) {
  return {"momentum", standard, below_one, "0 <= momentum < 1", "how much of it is kept"};
}
constexpr OptimizerScalar weight_decay(float standard) {
  return {"weight_decay", standard, from_zero, "0 or more, finite", "of matrices and tables"};
}
}  // namespace scalar

// An optimizer that keeps one f32 moment of each weight. Rule: `struct Hyper` with the record's scalars as
// floats, in its order, weight_decay among them; and `static void apply(hyper, gradient, weight, moment)`, in
// f32 and f64, which writes the last two (weight_decay is 0 where decay does not apply). Memory is the limit
// of such an update, so a plain loop will do, and every operation is rounded on its own: the same bits on
// every instruction set.
template <class Rule>
struct OneMoment {
  using Hyper = typename Rule::Hyper;
  static constexpr int hyper_floats = sizeof(Hyper) / sizeof(float);
  struct In {
    enum : std::size_t { weight, gradient, moment, hyper, clip_scale };
  };
  static constexpr InputRecord inputs[] = {{"weight"}, {"gradient"}, {"moment"}, {"hyper"}, {"clip_scale"}};

  static std::vector<OutputSpec> infer(const InferInput& i) {
    i.require(In::gradient, i.in[In::weight]);
    i.require(In::moment, i.in[In::weight]);
    i.require(In::hyper, op::f32({hyper_floats}));
    i.require(In::clip_scale, op::f32({1}));
    return {{i.in[In::weight], In::weight}, {i.in[In::moment], In::moment}};
  }

  static Hyper hyper_of(const Call& c) {
    Hyper hyper = *c.in[In::hyper].template as<Hyper>();
    if (!c.attributes.as<UpdateAttributes>().decay) hyper.weight_decay = 0;
    return hyper;
  }

  static void run(const Call& c) {
    const auto *g = c.in[In::gradient].template as<float>(),
               *scale = c.in[In::clip_scale].template as<float>();
    auto *w = c.out[0].as<float>(), *m = c.out[1].as<float>();
    const std::int64_t n = c.in[In::weight].type.shape.elements();
    const Hyper hyper = hyper_of(c);
    constexpr std::int64_t block = 16384;
    c.pool->run((n + block - 1) / block, [&](std::int64_t task, int) {
      for (std::int64_t i = task * block; i < std::min(n, (task + 1) * block); ++i)
        Rule::apply(hyper, g[i] * *scale, w[i], m[i]);
    });
  }

  static void reference(const Call& c) {
    for (std::int64_t i = 0; i < c.in[In::weight].type.shape.elements(); ++i) {
      double w = op::get(c.in[In::weight], i), m = op::get(c.in[In::moment], i);
      Rule::apply(hyper_of(c), op::get(c.in[In::gradient], i) * op::get(c.in[In::clip_scale], 0), w, m);
      op::set(c.out[0], i, w);
      op::set(c.out[1], i, m);
    }
  }

  static constexpr Variant variants[] = {{"flat", "cpu", nullptr, nullptr, run}};
  static constexpr OpRecord op_record(const char* name) {
    return {.name = name,
            .inputs = inputs,
            .infer = infer,
            .cost = op::streaming_cost,
            .reference = reference,
            .variants = variants};
  }

  static void update(UpdateContext& u, const OpRecord& op) {
    u.emit(op, {u.weight(), u.gradient(), u.state(0), u.hyper(), u.clip_scale()},
           UpdateAttributes{u.decay()});
  }
  static void fill_hyper(std::span<const float> scalars, std::int64_t, std::span<float> hyper) {
    std::copy(scalars.begin(), scalars.end(), hyper.begin());
  }
};

}  // namespace hone
