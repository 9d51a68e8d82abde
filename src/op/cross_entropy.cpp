#include "kernel/cross_entropy.hpp"

#include <cmath>

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using In = CrossEntropyInputs;
using GradientIn = CrossEntropyGradientInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(In::logits, 2);
  const Shape rows = rows_shape(i.in[In::logits].shape);
  i.require(In::labels, {rows, DType::i32});
  i.require(In::scale, f32({1}));
  return {{f32(rows)}, {f32(rows)}};
}

float smoothing(const Call& c) { return c.attributes.as<CrossEntropyAttributes>().label_smoothing; }

void run(const Call& c) {
  const Operand& logits = c.in[In::logits];
  kernel::run(kernel::CrossEntropy{.rows = logits.type.shape.rows(),
                                   .V = logits.type.shape.last(),
                                   .logits = in(logits),
                                   .stride = logits.row_stride(),
                                   .labels = c.in[In::labels].as<std::int32_t>(),
                                   .label_smoothing = smoothing(c),
                                   .loss = c.out[0].as<float>(),
                                   .lse = c.out[1].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const Operand& logits = c.in[In::logits];
  const std::int64_t V = logits.type.shape.last();
  const auto e = static_cast<double>(smoothing(c));
  for (std::int64_t r = 0; r < logits.type.shape.rows(); ++r) {
    double largest = get(logits, r * V), sum = 0, mean = 0;
    for (std::int64_t v = 0; v < V; ++v) largest = std::max(largest, get(logits, r * V + v));
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp(get(logits, r * V + v) - largest);
    if (e > 0)
      for (std::int64_t v = 0; v < V; ++v) mean += get(logits, r * V + v) / static_cast<double>(V);
    const auto label = static_cast<std::int64_t>(get(c.in[In::labels], r));
    const double lse = largest + std::log(sum);
    set(c.out[1], r, lse);
    set(c.out[0], r,
        label == kernel::ignored_label ? 0 : lse - (1 - e) * get(logits, r * V + label) - e * mean);
  }
}

void gradient(GradientContext& g) {
  if (!g.wants(In::logits)) return;
  g.set(In::logits,
        g.emit(cross_entropy_gradient, {g.in(In::logits), g.in(In::labels), g.out(1), g.in(In::scale)},
               g.attributes<CrossEntropyAttributes>())[0]);
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) { return {{i.in[GradientIn::logits]}}; }

void run_gradient(const Call& c) {
  const Operand& logits = c.in[GradientIn::logits];
  kernel::run(kernel::CrossEntropyGradient{.rows = logits.type.shape.rows(),
                                           .V = logits.type.shape.last(),
                                           .logits = in(logits),
                                           .stride = logits.row_stride(),
                                           .labels = c.in[GradientIn::labels].as<std::int32_t>(),
                                           .label_smoothing = smoothing(c),
                                           .lse = c.in[GradientIn::lse].as<float>(),
                                           .scale = c.in[GradientIn::scale].as<float>(),
                                           .d_logits = out(c.out[0])},
              c.isa, *c.pool);
}

void reference_gradient(const Call& c) {
  const Operand& logits = c.in[GradientIn::logits];
  const std::int64_t V = logits.type.shape.last();
  const double scale = get(c.in[GradientIn::scale], 0);
  const auto e = static_cast<double>(smoothing(c)), everywhere = e / static_cast<double>(V);
  for (std::int64_t r = 0; r < logits.type.shape.rows(); ++r) {
    const auto label = static_cast<std::int64_t>(get(c.in[GradientIn::labels], r));
    for (std::int64_t v = 0; v < V; ++v) {
      const double p = std::exp(get(logits, r * V + v) - get(c.in[GradientIn::lse], r));
      const double target = everywhere + (v == label ? 1 - e : 0.0);
      set(c.out[0], r * V + v, label == kernel::ignored_label ? 0 : scale * (p - target));
    }
  }
}

bool takes(const Call& c) { return gaps_only_in(c, {In::logits}, {}); }
bool takes_gradient(const Call& c) {
  constexpr std::size_t logits = GradientIn::logits;
  return gaps_only_in(c, {logits}, {0}) && c.out[0].row_stride() == c.in[logits].row_stride();
}

constexpr InputRecord inputs[] = {{"logits"}, {"labels"}, {"scale"}};
constexpr InputRecord gradient_inputs[] = {{"logits"}, {"labels"}, {"lse"}, {"scale"}};

constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", takes_gradient, nullptr, run_gradient}};

}  // namespace

const OpRecord cross_entropy{.name = "cross_entropy",
                             .inputs = inputs,
                             .infer = infer,
                             .cost = streaming_cost,
                             .gradient = gradient,
                             .reference = reference,
                             .variants = variants,
                             .autocast = Autocast::any,
                             .loss = true,
                             .of_logits = true};
const OpRecord cross_entropy_gradient{.name = "cross_entropy_gradient",
                                      .inputs = gradient_inputs,
                                      .infer = infer_gradient,
                                      .cost = streaming_cost,
                                      .alias = first_input,
                                      .reference = reference_gradient,
                                      .variants = gradient_variants};

}  // namespace hone::op
