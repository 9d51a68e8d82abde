#include <cmath>
#include <numbers>

#include "kernel/elementwise.hpp"
#include "op/activation_reference.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {

double activate(Activation kind, double x) {
  const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::gelu_new:
      return 0.5 * x * (1 + std::tanh(inner));
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::silu:
      return x / (1 + std::exp(-x));
  }
  return x;
}

double activation_slope(Activation kind, double x) {
  const double k = std::sqrt(2 / std::numbers::pi);
  const double tanh = std::tanh(k * (x + 0.044715 * x * x * x));
  const double sigmoid = 1 / (1 + std::exp(-x));
  switch (kind) {
    case Activation::none:
      return 1;
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::gelu_new:
      return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * k * (1 + 3 * 0.044715 * x * x);
    case Activation::gelu:
      return 0.5 * (1 + std::erf(x / std::numbers::sqrt2)) +
             x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    case Activation::silu:
      return sigmoid * (1 + x * (1 - sigmoid));
  }
  return 1;
}

namespace {

std::vector<OutputSpec> infer(const InferInput& i) { return {{i.in[0]}}; }
std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(1, i.in[0]);
  return {{i.in[0]}};
}

void run(const Call& c) {
  kernel::run(kernel::Activate{.n = c.out[0].type.shape.elements(),
                               .kind = c.attributes.as<ActivationAttributes>().kind,
                               .x = in(c.in[0]),
                               .dy = {},
                               .y = out(c.out[0])},
              c.isa, *c.pool);
}
void run_gradient(const Call& c) {
  kernel::run(kernel::Activate{.n = c.out[0].type.shape.elements(),
                               .kind = c.attributes.as<ActivationAttributes>().kind,
                               .x = in(c.in[1]),
                               .dy = in(c.in[0]),
                               .y = out(c.out[0])},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const auto kind = c.attributes.as<ActivationAttributes>().kind;
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, activate(kind, get(c.in[0], i)));
}
void reference_gradient(const Call& c) {
  const auto kind = c.attributes.as<ActivationAttributes>().kind;
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, get(c.in[0], i) * activation_slope(kind, get(c.in[1], i)));
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (dy && g.wants(0))
    g.set(0, g.emit(activation_gradient, {dy, g.in(0)}, g.attributes<ActivationAttributes>())[0]);
}

constexpr InputRecord inputs[] = {{"x"}};
constexpr InputRecord gradient_inputs[] = {{"dy"}, {"x"}};

}  // namespace

const OpRecord activation{.name = "activation",
                          .inputs = inputs,
                          .infer = infer,
                          .cost = streaming_cost,
                          .gradient = gradient,
                          .alias = first_input,
                          .reference = reference,
                          .variants = elementwise_variants<run>,
                          .autocast = Autocast::follow};
const OpRecord activation_gradient{.name = "activation_gradient",
                                   .inputs = gradient_inputs,
                                   .infer = infer_gradient,
                                   .cost = streaming_cost,
                                   .alias = first_input,
                                   .reference = reference_gradient,
                                   .variants = elementwise_variants<run_gradient>};

}  // namespace hone::op
