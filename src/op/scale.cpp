#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// y = factor x: of embeddings, in front of a model. The gradient is the same op.
namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(0, 1);
  i.require(0, f32(i.in[0].shape));
  return {{i.in[0]}};
}

// Memory is the limit, so the plain loop is as fast as any.
void run(const Call& c) {
  constexpr std::int64_t step = 16384;
  const float factor = c.attributes.as<ScaleAttributes>().factor;
  const float* x = c.in[0].as<float>();
  float* y = c.out[0].as<float>();
  const std::int64_t n = c.out[0].type.shape.elements();
  c.pool->run((n + step - 1) / step, [=](std::int64_t task, int) {
    for (std::int64_t i = task * step; i < std::min(n, (task + 1) * step); ++i) y[i] = factor * x[i];
  });
}

void reference(const Call& c) {
  const auto factor = static_cast<double>(c.attributes.as<ScaleAttributes>().factor);
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, factor * get(c.in[0], i));
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (dy && g.wants(0)) g.set(0, g.emit(scale, {dy}, g.attributes<ScaleAttributes>())[0]);
}

constexpr InputRecord inputs[] = {{"x"}};
constexpr Variant variants[] = {{"flat", "cpu", nullptr, nullptr, run}};

}  // namespace

const OpRecord scale{.name = "scale",
                     .inputs = inputs,
                     .infer = infer,
                     .cost = streaming_cost,
                     .gradient = gradient,
                     .alias = first_input,
                     .reference = reference,
                     .variants = variants};

}  // namespace hone::op
