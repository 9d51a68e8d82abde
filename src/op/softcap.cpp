#include <cmath>

#include "kernel/elementwise.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// y = cap tanh(x / cap): logits stay within +-cap (Bello et al., 2016; Gemma 2). dx = dy (1 - (y / cap)^2).
namespace hone::op {
namespace {

double cap_of(const Call& c) { return static_cast<double>(c.attributes.as<SoftcapAttributes>().cap); }

std::vector<OutputSpec> infer(const InferInput& i) {
  if (!(i.attributes.as<SoftcapAttributes>().cap > 0))
    i.fail("impossible cap", "above 0", std::to_string(i.attributes.as<SoftcapAttributes>().cap));
  return {{i.in[0]}};
}
std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(1, i.in[0]);
  return {{i.in[0]}};
}

void run(const Call& c) {
  kernel::run(kernel::Softcap{.n = c.out[0].type.shape.elements(),
                              .cap = c.attributes.as<SoftcapAttributes>().cap,
                              .x = in(c.in[0]),
                              .dy = {},
                              .y = out(c.out[0])},
              c.isa, *c.pool);
}
void run_gradient(const Call& c) {
  kernel::run(kernel::Softcap{.n = c.out[0].type.shape.elements(),
                              .cap = c.attributes.as<SoftcapAttributes>().cap,
                              .x = in(c.in[1]),
                              .dy = in(c.in[0]),
                              .y = out(c.out[0])},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, cap_of(c) * std::tanh(get(c.in[0], i) / cap_of(c)));
}
void reference_gradient(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, get(c.in[0], i) * (1 - std::pow(get(c.in[1], i) / cap_of(c), 2)));
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (dy && g.wants(0))
    g.set(0, g.emit(softcap_gradient, {dy, g.out(0)}, g.attributes<SoftcapAttributes>())[0]);
}

constexpr InputRecord inputs[] = {{"x"}};
constexpr InputRecord gradient_inputs[] = {{"dy"}, {"y"}};

}  // namespace

const OpRecord softcap{.name = "softcap",
                       .inputs = inputs,
                       .infer = infer,
                       .cost = streaming_cost,
                       .gradient = gradient,
                       .alias = first_input,
                       .reference = reference,
                       .variants = elementwise_variants<run>,
                       .autocast = Autocast::follow};
const OpRecord softcap_gradient{.name = "softcap_gradient",
                                .inputs = gradient_inputs,
                                .infer = infer_gradient,
                                .cost = streaming_cost,
                                .alias = first_input,
                                .reference = reference_gradient,
                                .variants = elementwise_variants<run_gradient>};

}  // namespace hone::op
