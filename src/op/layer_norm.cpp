#include <cmath>

#include "kernel/norm.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  const Shape& x = i.in[0].shape;
  i.require(0, f32(x));
  i.require(1, f32({x.last()}));
  i.require(2, f32({x.last()}));
  return {{{x, i.attributes.as<LayerNormAttributes>().dtype}}, {f32({x.rows()})}, {f32({x.rows()})}};
}

void run(const Call& c) {
  kernel::run(kernel::LayerNorm{.rows = c.in[0].type.shape.rows(),
                                .C = c.in[0].type.shape.last(),
                                .x = c.in[0].as<float>(),
                                .addend = {},
                                .sum = nullptr,
                                .gamma = c.in[1].as<float>(),
                                .beta = c.in[2].as<float>(),
                                .epsilon = c.attributes.as<LayerNormAttributes>().epsilon,
                                .y = out(c.out[0]),
                                .mean = c.out[1].as<float>(),
                                .rstd = c.out[2].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const std::int64_t C = c.in[0].type.shape.last();
  for (std::int64_t r = 0; r < c.in[0].type.shape.rows(); ++r) {
    double mean = 0, variance = 0;
    for (std::int64_t j = 0; j < C; ++j) mean += get(c.in[0], r * C + j) / static_cast<double>(C);
    for (std::int64_t j = 0; j < C; ++j)
      variance += std::pow(get(c.in[0], r * C + j) - mean, 2) / static_cast<double>(C);
    const double rstd =
        1 / std::sqrt(variance + static_cast<double>(c.attributes.as<LayerNormAttributes>().epsilon));
    set(c.out[1], r, mean);
    set(c.out[2], r, rstd);
    for (std::int64_t j = 0; j < C; ++j)
      set(c.out[0], r * C + j, (get(c.in[0], r * C + j) - mean) * rstd * get(c.in[1], j) + get(c.in[2], j));
  }
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  const auto gamma = g.sum(1), beta = g.sum(2);
  const auto outputs = g.emit(
      layer_norm_gradient, {dy, g.in(0), g.in(1), g.out(1), g.out(2), gamma.current, beta.current, g.step()},
      LayerNormGradientAttributes{});
  if (g.wants(0)) g.set(0, outputs[0]);
  g.set_sum(1, outputs[1]);
  g.set_sum(2, outputs[2]);
}

void set_type(Attributes& a, DType dtype) {
  auto value = a.as<LayerNormAttributes>();
  value.dtype = dtype;
  a = value;
}

Cost cost(const Program& p, const Node& n) { return streaming_cost(p, n); }

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  const Shape& x = i.in[1].shape;
  i.require(7, step_type());
  if (i.in[0].shape != x) i.fail("the gradient's shape differs", to_string(x), to_string(i.in[0]));
  if (i.attributes.as<LayerNormGradientAttributes>().addend) i.require(8, f32(x));
  return {{f32(x)}, {i.in[5], 5}, {i.in[6], 6}};
}

kernel::LayerNormGradient arguments(const Call& c) {
  const Rows rows = rows_of(c.in[1].type.shape);
  return {.sequences = rows.sequences,
          .positions = rows.positions,
          .C = c.in[1].type.shape.last(),
          .dy = in(c.in[0]),
          .x = c.in[1].as<float>(),
          .gamma = c.in[2].as<float>(),
          .mean = c.in[3].as<float>(),
          .rstd = c.in[4].as<float>(),
          .addend = c.attributes.as<LayerNormGradientAttributes>().addend ? c.in[8].as<float>() : nullptr,
          .dx = c.out[0].as<float>(),
          .dgamma = c.out[1].as<float>(),
          .dbeta = c.out[2].as<float>(),
          .accumulate = false};
}

std::int64_t scratch_gradient(const Call& c) {
  return kernel::scratch_bytes(arguments(c), c.pool->threads());
}

void run_gradient(const Call& c) {
  auto a = arguments(c);
  a.accumulate = step_info(c.in[7]).micro != 0;
  kernel::run(a, c.isa, *c.pool, c.scratch);
}

void reference_gradient(const Call& c) {
  const std::int64_t C = c.in[1].type.shape.last(), rows = c.in[1].type.shape.rows();
  const Rows shape = rows_of(c.in[1].type.shape);
  const bool continues = step_info(c.in[7]).micro != 0;
  auto normal = [&](std::int64_t r, std::int64_t j) {
    return (get(c.in[1], r * C + j) - get(c.in[3], r)) * get(c.in[4], r);
  };
  for (std::int64_t j = 0; j < C; ++j) {
    auto dy = [&](std::int64_t b, std::int64_t t) { return get(c.in[0], (b * shape.positions + t) * C + j); };
    set(c.out[1], j, sum_by_pieces(get(c.in[5], j), continues, shape, [&](std::int64_t b, std::int64_t t) {
          return static_cast<float>(dy(b, t) * normal(b * shape.positions + t, j));
        }));
    set(c.out[2], j, sum_by_pieces(get(c.in[6], j), continues, shape, [&](std::int64_t b, std::int64_t t) {
          return static_cast<float>(dy(b, t));
        }));
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    double sum = 0, dot = 0;
    for (std::int64_t j = 0; j < C; ++j) {
      const double d = get(c.in[0], r * C + j) * get(c.in[2], j);
      sum += d / static_cast<double>(C);
      dot += d * normal(r, j) / static_cast<double>(C);
    }
    for (std::int64_t j = 0; j < C; ++j) {
      const double own =
          (get(c.in[0], r * C + j) * get(c.in[2], j) - sum - normal(r, j) * dot) * get(c.in[4], r);
      const bool addend = c.attributes.as<LayerNormGradientAttributes>().addend;
      set(c.out[0], r * C + j, (addend ? get(c.in[8], r * C + j) : 0) + own);
    }
  }
}

int alias_gradient(const Node& n, int output) {
  return output == 0 && n.attributes.as<LayerNormGradientAttributes>().addend ? 8 : -1;
}

constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", nullptr, scratch_gradient, run_gradient}};

}  // namespace

const OpRecord layer_norm{.name = "layer_norm",
                          .infer = infer,
                          .cost = cost,
                          .gradient = gradient,
                          .reference = reference,
                          .variants = variants,
                          .foldable_cast = true,
                          .set_type = set_type};
const OpRecord layer_norm_gradient{.name = "layer_norm_gradient",
                                   .infer = infer_gradient,
                                   .cost = streaming_cost,
                                   .alias = alias_gradient,
                                   .reference = reference_gradient,
                                   .variants = gradient_variants};

}  // namespace hone::op
