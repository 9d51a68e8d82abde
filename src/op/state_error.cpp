#include "kernel/state_error.hpp"

#include <cmath>

#include "kernel/cross_entropy.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using In = StateErrorInputs;
using GradientIn = StateErrorGradientInputs;

// Of the places that both nodes have: states, target and labels stand first.
void require_states(const InferInput& i) {
  i.require_rank_at_least(In::x, 2);
  i.require(In::target, f32(i.in[In::x].shape));
  i.require(In::labels, {rows_shape(i.in[In::x].shape), DType::i32});
}

std::vector<OutputSpec> infer(const InferInput& i) {
  require_states(i);
  i.require(In::scale, f32({1}));
  const Shape rows = i.in[In::labels].shape;
  return {{f32(rows)}, {f32(rows)}, {f32(rows)}};
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  require_states(i);
  return {{i.in[GradientIn::x]}};
}

kernel::States states(const Call& c) {
  const Operand& x = c.in[In::x];
  return {.rows = x.type.shape.rows(),
          .C = x.type.shape.last(),
          .x = in(x),
          .stride = x.row_stride(),
          .target = c.in[In::target].as<float>(),
          .labels = c.in[In::labels].as<std::int32_t>()};
}

void run(const Call& c) {
  kernel::run(kernel::StateError{.states = states(c),
                                 .loss = c.out[0].as<float>(),
                                 .x_factor = c.out[1].as<float>(),
                                 .target_factor = c.out[2].as<float>()},
              c.isa, *c.pool);
}

void run_gradient(const Call& c) {
  kernel::run(kernel::StateErrorGradient{.states = states(c),
                                         .x_factor = c.in[GradientIn::x_factor].as<float>(),
                                         .target_factor = c.in[GradientIn::target_factor].as<float>(),
                                         .scale = c.in[GradientIn::scale].as<float>(),
                                         .d = out(c.out[0]),
                                         .d_stride = c.out[0].row_stride()},
              c.isa, *c.pool);
}

bool ignored(const Call& c, std::int64_t row) {
  return static_cast<std::int64_t>(get(c.in[In::labels], row)) == kernel::ignored_label;
}

double factor(const Operand& states, std::int64_t row) {
  const std::int64_t C = states.type.shape.last();
  double squares = 0;
  for (std::int64_t i = row * C; i < (row + 1) * C; ++i) squares += get(states, i) * get(states, i);
  return 1 / std::sqrt(squares / static_cast<double>(C) + static_cast<double>(kernel::state_epsilon));
}

void reference(const Call& c) {
  const std::int64_t C = c.in[In::x].type.shape.last();
  for (std::int64_t r = 0; r < c.in[In::x].type.shape.rows(); ++r) {
    const double of_x = factor(c.in[In::x], r), of_target = factor(c.in[In::target], r);
    double sum = 0;
    for (std::int64_t i = r * C; i < (r + 1) * C; ++i) {
      const double d = get(c.in[In::x], i) * of_x - get(c.in[In::target], i) * of_target;
      sum += d * d;
    }
    set(c.out[0], r, ignored(c, r) ? 0 : sum / static_cast<double>(C));
    set(c.out[1], r, of_x);
    set(c.out[2], r, of_target);
  }
}

void reference_gradient(const Call& c) {
  const std::int64_t C = c.in[In::x].type.shape.last();
  const double width = static_cast<double>(C), scale = get(c.in[GradientIn::scale], 0);
  for (std::int64_t r = 0; r < c.in[In::x].type.shape.rows(); ++r) {
    const double of_x = get(c.in[GradientIn::x_factor], r),
                 of_target = get(c.in[GradientIn::target_factor], r);
    const auto own = [&](std::int64_t i) { return get(c.in[In::x], i) * of_x; };
    const auto off = [&](std::int64_t i) { return own(i) - get(c.in[In::target], i) * of_target; };
    double along = 0;
    for (std::int64_t i = r * C; i < (r + 1) * C; ++i) along += off(i) * own(i) / width;
    for (std::int64_t i = r * C; i < (r + 1) * C; ++i)
      set(c.out[0], i, ignored(c, r) ? 0 : scale * 2 / width * of_x * (off(i) - own(i) * along));
  }
}

void gradient(GradientContext& g) {
  if (!g.wants(In::x)) return;
  g.set(In::x, g.emit(state_error_gradient, {g.in(In::x), g.in(In::target), g.in(In::labels), g.out(1),
                                             g.out(2), g.in(In::scale)})[0]);
}

bool takes(const Call& c) { return gaps_only_in(c, {In::x}, {}); }
bool takes_gradient(const Call& c) { return gaps_only_in(c, {GradientIn::x}, {0}); }

constexpr InputRecord inputs[] = {{"x"}, {"target"}, {"labels"}, {"scale"}};
constexpr InputRecord gradient_inputs[] = {{"x"},        {"target"},        {"labels"},
                                           {"x_factor"}, {"target_factor"}, {"scale"}};

constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", takes_gradient, nullptr, run_gradient}};

}  // namespace

const OpRecord state_error{.name = "state_error",
                           .inputs = inputs,
                           .infer = infer,
                           .cost = streaming_cost,
                           .gradient = gradient,
                           .reference = reference,
                           .variants = variants,
                           .autocast = Autocast::any,
                           .loss = true};
const OpRecord state_error_gradient{.name = "state_error_gradient",
                                    .inputs = gradient_inputs,
                                    .infer = infer_gradient,
                                    .cost = streaming_cost,
                                    .alias = first_input,
                                    .reference = reference_gradient,
                                    .variants = gradient_variants};

}  // namespace hone::op
