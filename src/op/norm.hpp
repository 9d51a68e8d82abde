// What norms over the last axis share as ops, about the mean (layer_norm) or about zero: the operands, their
// order, shapes and types, the gradient. The file of each has its records and its formulas' reference.
#pragma once
#include "kernel/norm.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {

// The places of operands: beta and mean are there only where the norm is about the mean.
template <bool centred>
struct NormPlaces {
  enum In : std::size_t { x, gamma, beta };
  enum Out : std::size_t { y, mean, rstd = centred ? 2 : 1 };
};
template <bool centred>
struct NormGradientPlaces {
  enum In : std::size_t {
    dy,
    x,
    gamma,
    mean,
    rstd = centred ? 4 : 3,
    gamma_sum,
    beta_sum,
    step = centred ? 7 : 5,
    addend,
  };
};

template <bool centred>
struct NormOp {
  using P = NormPlaces<centred>;
  using G = NormGradientPlaces<centred>;

  static std::vector<OutputSpec> infer(const InferInput& i) {
    const Shape& x = i.in[P::x].shape;
    i.require(P::x, f32(x));
    i.require(P::gamma, f32({x.last()}));
    if (centred) i.require(P::beta, f32({x.last()}));
    const OutputSpec y{{x, i.attributes.as<NormAttributes>().dtype}}, statistic{f32({x.rows()})};
    return centred ? std::vector<OutputSpec>{y, statistic, statistic} : std::vector<OutputSpec>{y, statistic};
  }

  static void run(const Call& c) {
    kernel::run(kernel::Norm{.rows = c.in[P::x].type.shape.rows(),
                             .C = c.in[P::x].type.shape.last(),
                             .x = c.in[P::x].template as<float>(),
                             .gamma = c.in[P::gamma].template as<float>(),
                             .beta = centred ? c.in[P::beta].template as<float>() : nullptr,
                             .epsilon = c.attributes.as<NormAttributes>().epsilon,
                             .offset = c.attributes.as<NormAttributes>().offset,
                             .y = out(c.out[P::y]),
                             .mean = centred ? c.out[P::mean].template as<float>() : nullptr,
                             .rstd = c.out[P::rstd].template as<float>()},
                c.isa, *c.pool);
  }

  // `op`: the record of the norm's gradient.
  static void gradient(GradientContext& g, const OpRecord& op) {
    const TensorId dy = g.gradient(0);
    if (!dy) return;
    std::vector<TensorId> inputs{dy, g.in(P::x), g.in(P::gamma)};
    if (centred) inputs.push_back(g.out(P::mean));
    inputs.push_back(g.out(P::rstd));
    if (g.wants(P::gamma) || (centred && g.wants(P::beta))) {  // else both are frozen: no sums
      inputs.push_back(g.sum(P::gamma));
      if (centred) inputs.push_back(g.sum(P::beta));
      inputs.push_back(g.step());
    }
    const TensorId dx =
        g.emit(op, inputs, NormGradientAttributes{.offset = g.attributes<NormAttributes>().offset})[0];
    if (g.wants(P::x)) g.set(P::x, dx);
  }

  static void set_type(Attributes& a, DType dtype) {
    auto value = a.as<NormAttributes>();
    value.dtype = dtype;
    a = value;
  }

  // --- its gradient: dx = addend + the norm's own, and the next sums of gamma's and beta's, where these
  // train

  static std::vector<OutputSpec> infer_gradient(const InferInput& i) {
    const Shape& x = i.in[G::x].shape;
    if (i.in[G::dy].shape != x) i.fail("the gradient's shape differs", to_string(x), to_string(i.in[G::dy]));
    if (i.has(G::addend)) i.require(G::addend, f32(x));
    std::vector<OutputSpec> specs{{f32(x)}};
    if (!i.has(G::gamma_sum)) return specs;
    i.require(G::step, step_type());
    specs.push_back({i.in[G::gamma_sum], G::gamma_sum});
    if (centred) specs.push_back({i.in[G::beta_sum], G::beta_sum});
    return specs;
  }

  static kernel::NormGradient arguments(const Call& c) {
    const Rows rows = rows_of(c.in[G::x].type.shape);
    const bool sums = c.out.size() > 1;
    return {.sequences = rows.sequences,
            .positions = rows.positions,
            .C = c.in[G::x].type.shape.last(),
            .dy = in(c.in[G::dy]),
            .x = c.in[G::x].template as<float>(),
            .gamma = c.in[G::gamma].template as<float>(),
            .mean = centred ? c.in[G::mean].template as<float>() : nullptr,
            .rstd = c.in[G::rstd].template as<float>(),
            .offset = c.attributes.as<NormGradientAttributes>().offset,
            .addend = c.in[G::addend].template as<float>(),
            .dx = c.out[0].template as<float>(),
            .dgamma = sums ? c.out[1].template as<float>() : nullptr,
            .dbeta = sums && centred ? c.out[2].template as<float>() : nullptr,
            .accumulate = false,
            .sums = sums};
  }
  static std::int64_t scratch_gradient(const Call& c) {
    return kernel::scratch_bytes(arguments(c), c.pool->threads());
  }
  static bool continues(const Call& c) {
    return c.attributes.as<NormGradientAttributes>().begun || step_info(c.in[G::step]).micro != 0;
  }
  static void run_gradient(const Call& c) {
    auto a = arguments(c);
    a.accumulate = a.sums && continues(c);
    kernel::run(a, c.isa, *c.pool, c.scratch);
  }
  static int alias_gradient(const Node& n, int output) {
    return output == 0 && n.inputs[G::addend] ? static_cast<int>(G::addend) : -1;
  }
  static void continue_sums(Attributes& a) {
    auto value = a.as<NormGradientAttributes>();
    value.begun = true;
    a = value;
  }

  // The records. A norm's own parts are its formulas' references and its inputs' names.
  static constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};
  static constexpr Variant gradient_variants[] = {{"rows", "cpu", nullptr, scratch_gradient, run_gradient}};
  static constexpr OpRecord record(const char* name, std::span<const InputRecord> inputs,
                                   void (*gradient)(GradientContext&), void (*reference)(const Call&)) {
    return {.name = name,
            .inputs = inputs,
            .infer = infer,
            .cost = streaming_cost,
            .gradient = gradient,
            .reference = reference,
            .variants = variants,
            .foldable_cast = true,
            .set_type = set_type};
  }
  static constexpr OpRecord gradient_record(const char* name, std::span<const InputRecord> inputs,
                                            void (*reference)(const Call&)) {
    return {.name = name,
            .inputs = inputs,
            .infer = infer_gradient,
            .cost = streaming_cost,
            .alias = alias_gradient,
            .reference = reference,
            .variants = gradient_variants,
            .continue_sums = continue_sums,
            .fusion = {.addend = static_cast<int>(G::addend)}};
  }

  // The sums, by a reference's normalised rows normal(r, j).
  template <class Normal>
  static void reference_sums(const Call& c, const Normal& normal) {
    if (c.out.size() == 1) return;
    const Operand& dy = c.in[G::dy];
    const std::int64_t C = dy.type.shape.last();
    const Rows shape = rows_of(dy.type.shape);
    const auto row = [&](std::int64_t b, std::int64_t t) { return b * shape.positions + t; };
    for (std::int64_t j = 0; j < C; ++j) {
      set(c.out[1], j,
          sum_by_pieces(get(c.in[G::gamma_sum], j), continues(c), shape, [&](std::int64_t b, std::int64_t t) {
            return static_cast<float>(get(dy, row(b, t) * C + j) * normal(row(b, t), j));
          }));
      if constexpr (centred)
        set(c.out[2], j,
            sum_by_pieces(get(c.in[G::beta_sum], j), continues(c), shape,
                          [&](std::int64_t b, std::int64_t t) {
                            return static_cast<float>(get(dy, row(b, t) * C + j));
                          }));
    }
  }
};

}  // namespace hone::op
