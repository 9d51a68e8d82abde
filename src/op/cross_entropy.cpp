#include "kernel/cross_entropy.hpp"

#include <cmath>

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

Shape rows_shape(const Shape& logits) {
  Shape s;
  for (int axis = 0; axis + 1 < logits.rank(); ++axis) s.push_back(logits[axis]);
  return s;
}

std::vector<OutputSpec> infer(const InferInput& i) {
  const Shape rows = rows_shape(i.in[0].shape);
  i.require(1, {rows, DType::i32});
  i.require(2, f32({1}));
  return {{f32(rows)}, {f32(rows)}};
}

void run(const Call& c) {
  kernel::run(kernel::CrossEntropy{.rows = c.in[0].type.shape.rows(),
                                   .V = c.in[0].type.shape.last(),
                                   .logits = in(c.in[0]),
                                   .stride = c.in[0].row_stride(),
                                   .labels = c.in[1].as<std::int32_t>(),
                                   .loss = c.out[0].as<float>(),
                                   .lse = c.out[1].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const std::int64_t V = c.in[0].type.shape.last();
  for (std::int64_t r = 0; r < c.in[0].type.shape.rows(); ++r) {
    double largest = get(c.in[0], r * V), sum = 0;
    for (std::int64_t v = 0; v < V; ++v) largest = std::max(largest, get(c.in[0], r * V + v));
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp(get(c.in[0], r * V + v) - largest);
    const auto label = static_cast<std::int64_t>(get(c.in[1], r));
    const double lse = largest + std::log(sum);
    set(c.out[1], r, lse);
    set(c.out[0], r, label == kernel::ignored_label ? 0 : lse - get(c.in[0], r * V + label));
  }
}

void gradient(GradientContext& g) {
  if (g.wants(0)) g.set(0, g.emit(cross_entropy_gradient, {g.in(0), g.in(1), g.out(1), g.in(2)})[0]);
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) { return {{i.in[0]}}; }

void run_gradient(const Call& c) {
  kernel::run(kernel::CrossEntropyGradient{.rows = c.in[0].type.shape.rows(),
                                           .V = c.in[0].type.shape.last(),
                                           .logits = in(c.in[0]),
                                           .stride = c.in[0].row_stride(),
                                           .labels = c.in[1].as<std::int32_t>(),
                                           .lse = c.in[2].as<float>(),
                                           .scale = c.in[3].as<float>(),
                                           .d_logits = out(c.out[0])},
              c.isa, *c.pool);
}

void reference_gradient(const Call& c) {
  const std::int64_t V = c.in[0].type.shape.last();
  for (std::int64_t r = 0; r < c.in[0].type.shape.rows(); ++r) {
    const auto label = static_cast<std::int64_t>(get(c.in[1], r));
    for (std::int64_t v = 0; v < V; ++v) {
      const double p = std::exp(get(c.in[0], r * V + v) - get(c.in[2], r));
      set(c.out[0], r * V + v,
          label == kernel::ignored_label ? 0 : get(c.in[3], 0) * (p - (v == label ? 1.0 : 0.0)));
    }
  }
}

bool takes(const Call& c) { return gaps_only_in(c, {0}, {}); }
bool takes_gradient(const Call& c) {
  return gaps_only_in(c, {0}, {0}) && c.out[0].row_stride() == c.in[0].row_stride();
}

constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", takes_gradient, nullptr, run_gradient}};

}  // namespace

const OpRecord cross_entropy{.name = "cross_entropy",
                             .infer = infer,
                             .cost = streaming_cost,
                             .gradient = gradient,
                             .reference = reference,
                             .variants = variants,
                             .autocast = Autocast::any};
const OpRecord cross_entropy_gradient{.name = "cross_entropy_gradient",
                                      .infer = infer_gradient,
                                      .cost = streaming_cost,
                                      .alias = first_input,
                                      .reference = reference_gradient,
                                      .variants = gradient_variants};

}  // namespace hone::op
