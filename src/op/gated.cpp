#include "kernel/elementwise.hpp"
#include "op/activation_reference.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// y = kind(gate) x: the middle of a gated feed-forward (Shazeer, 2020, "GLU variants improve Transformer").
// One op rather than an activation and a product: memory is the limit, and between the two nothing is
// rounded.
namespace hone::op {
namespace {

using In = GatedInputs;
using GradientIn = GatedGradientInputs;

Activation kind_of(const Call& c) { return c.attributes.as<ActivationAttributes>().kind; }

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require(In::x, i.in[In::gate]);
  return {{i.in[In::gate]}};
}
std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(GradientIn::gate, i.in[GradientIn::dy]);
  i.require(GradientIn::x, i.in[GradientIn::dy]);
  return {{i.in[GradientIn::dy]}, {i.in[GradientIn::dy]}};
}

void run(const Call& c) {
  kernel::run(kernel::Gate{.n = c.out[0].type.shape.elements(),
                           .kind = kind_of(c),
                           .gate = in(c.in[In::gate]),
                           .x = in(c.in[In::x]),
                           .dy = {},
                           .y = out(c.out[0]),
                           .d_gate = {}},
              c.isa, *c.pool);
}
void run_gradient(const Call& c) {
  kernel::run(kernel::Gate{.n = c.out[0].type.shape.elements(),
                           .kind = kind_of(c),
                           .gate = in(c.in[GradientIn::gate]),
                           .x = in(c.in[GradientIn::x]),
                           .dy = in(c.in[GradientIn::dy]),
                           .y = out(c.out[1]),
                           .d_gate = out(c.out[0])},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, activate(kind_of(c), get(c.in[In::gate], i)) * get(c.in[In::x], i));
}
void reference_gradient(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i) {
    const double dy = get(c.in[GradientIn::dy], i), gate = get(c.in[GradientIn::gate], i);
    const double x = get(c.in[GradientIn::x], i);
    set(c.out[0], i, dy * x * activation_slope(kind_of(c), gate));
    set(c.out[1], i, dy * activate(kind_of(c), gate));
  }
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  const auto d =
      g.emit(gated_gradient, {dy, g.in(In::gate), g.in(In::x)}, g.attributes<ActivationAttributes>());
  for (const std::size_t i : {In::gate, In::x})
    if (g.wants(i)) g.set(i, d[i]);
}

// Element by element, so each result may stand where an operand did: d gate over dy, d x over the gate.
int alias_gradient(const Node&, int output) { return output; }

constexpr InputRecord inputs[] = {{"gate"}, {"x"}};
constexpr InputRecord gradient_inputs[] = {{"dy"}, {"gate"}, {"x"}};

}  // namespace

const OpRecord gated{.name = "gated",
                     .inputs = inputs,
                     .infer = infer,
                     .cost = streaming_cost,
                     .gradient = gradient,
                     .alias = first_input,
                     .reference = reference,
                     .variants = elementwise_variants<run>,
                     .autocast = Autocast::follow,
                     .activation_inputs = 2};
const OpRecord gated_gradient{.name = "gated_gradient",
                              .inputs = gradient_inputs,
                              .infer = infer_gradient,
                              .cost = streaming_cost,
                              .alias = alias_gradient,
                              .reference = reference_gradient,
                              .variants = elementwise_variants<run_gradient>};

}  // namespace hone::op
