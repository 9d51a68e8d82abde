#include "kernel/relation_error.hpp"

#include <cmath>
#include <functional>

#include "kernel/cross_entropy.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using In = RelationErrorInputs;
using GradientIn = RelationErrorGradientInputs;

std::int64_t heads_of(const Attributes& a) { return a.as<RelationErrorAttributes>().heads; }

// Of the places that both nodes have: x, target and labels stand first.
void require_states(const InferInput& i) {
  i.require_rank(In::x, 3);
  i.require_rank(In::target, 3);
  const Shape &x = i.in[In::x].shape, &target = i.in[In::target].shape;
  i.require(In::target, f32(x.with_last(target.last())));
  i.require(In::labels, {rows_shape(x), DType::i32});
  const std::int64_t heads = heads_of(i.attributes);
  if (heads < 1 || x.last() % heads != 0 || target.last() % heads != 0)
    i.fail("relations' heads do not divide both widths",
           "a divisor of " + std::to_string(x.last()) + " and " + std::to_string(target.last()),
           std::to_string(heads));
}

std::vector<OutputSpec> infer(const InferInput& i) {
  require_states(i);
  i.require(In::scale, f32({1}));
  const Shape& x = i.in[In::x].shape;
  const TensorType lse = f32({x[0], heads_of(i.attributes), x[1]});
  return {{f32(rows_shape(x))}, {lse}, {lse}};
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  require_states(i);
  return {{i.in[GradientIn::x]}};
}

kernel::Relations relations(const Call& c) {
  const auto& a = c.attributes.as<RelationErrorAttributes>();
  const Operand& x = c.in[In::x];
  return {.B = x.type.shape[0],
          .T = x.type.shape[1],
          .W = x.type.shape[2],
          .target_W = c.in[In::target].type.shape[2],
          .heads = a.heads,
          .causal = a.causal,
          .x = in(x),
          .stride = x.row_stride(),
          .target = c.in[In::target].as<float>(),
          .labels = c.in[In::labels].as<std::int32_t>()};
}

std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(relations(c), c.pool->threads()); }

void run(const Call& c) {
  kernel::run(kernel::RelationError{.relations = relations(c),
                                    .loss = c.out[0].as<float>(),
                                    .x_lse = c.out[1].as<float>(),
                                    .target_lse = c.out[2].as<float>()},
              c.isa, *c.pool, c.scratch);
}

void run_gradient(const Call& c) {
  kernel::run(kernel::RelationErrorGradient{.relations = relations(c),
                                            .x_lse = c.in[GradientIn::x_lse].as<float>(),
                                            .target_lse = c.in[GradientIn::target_lse].as<float>(),
                                            .scale = c.in[GradientIn::scale].as<float>(),
                                            .d = out(c.out[0]),
                                            .d_stride = c.out[0].row_stride()},
              c.isa, *c.pool, c.scratch);
}

// A sample's and head's scores, by definition.
struct Scores {
  Scores(const Call& c, std::size_t input, std::int64_t sample, std::int64_t head)
      : x(c.in[input]),
        T(x.type.shape[1]),
        W(x.type.shape[2]),
        d(W / heads_of(c.attributes)),
        first(sample * T * W + head * d),
        causal(c.attributes.as<RelationErrorAttributes>().causal) {}
  const Operand& x;
  std::int64_t T, W, d, first;
  bool causal;
  std::int64_t seen(std::int64_t t) const { return causal ? t + 1 : T; }
  double value(std::int64_t t, std::int64_t i) const { return get(x, first + t * W + i); }
  double at(std::int64_t t, std::int64_t j) const {
    double sum = 0;
    for (std::int64_t i = 0; i < d; ++i) sum += value(t, i) * value(j, i);
    return sum / std::sqrt(static_cast<double>(d));
  }
  double lse(std::int64_t t) const {
    double largest = at(t, 0), sum = 0;
    for (std::int64_t j = 1; j < seen(t); ++j) largest = std::max(largest, at(t, j));
    for (std::int64_t j = 0; j < seen(t); ++j) sum += std::exp(at(t, j) - largest);
    return largest + std::log(sum);
  }
};

bool ignored(const Call& c, std::int64_t row) {
  return static_cast<std::int64_t>(get(c.in[In::labels], row)) == kernel::ignored_label;
}

void each_head(const Call& c, const std::function<void(std::int64_t sample, std::int64_t head)>& visit) {
  for (std::int64_t b = 0; b < c.in[In::x].type.shape[0]; ++b)
    for (std::int64_t h = 0; h < heads_of(c.attributes); ++h) visit(b, h);
}

void reference(const Call& c) {
  const std::int64_t T = c.in[In::x].type.shape[1], heads = heads_of(c.attributes);
  for (std::int64_t row = 0; row < c.out[0].type.shape.elements(); ++row) set(c.out[0], row, 0);
  each_head(c, [&](std::int64_t b, std::int64_t h) {
    const Scores own(c, In::x, b, h), target(c, In::target, b, h);
    for (std::int64_t t = 0; t < T; ++t) {
      const double own_lse = own.lse(t), target_lse = target.lse(t);
      double divergence = 0;
      for (std::int64_t j = 0; j < own.seen(t); ++j) {
        const double log_q = target.at(t, j) - target_lse;
        divergence += std::exp(log_q) * (log_q - (own.at(t, j) - own_lse));
      }
      if (!ignored(c, b * T + t))
        set(c.out[0], b * T + t, get(c.out[0], b * T + t) + divergence / static_cast<double>(heads));
      set(c.out[1], (b * heads + h) * T + t, own_lse);
      set(c.out[2], (b * heads + h) * T + t, target_lse);
    }
  });
}

void reference_gradient(const Call& c) {
  const std::int64_t T = c.in[In::x].type.shape[1], heads = heads_of(c.attributes);
  const double scale = get(c.in[GradientIn::scale], 0);
  each_head(c, [&](std::int64_t b, std::int64_t h) {
    const Scores own(c, In::x, b, h), target(c, In::target, b, h);
    std::vector<double> d(static_cast<std::size_t>(T * own.d));
    const double factor = scale / static_cast<double>(heads) / std::sqrt(static_cast<double>(own.d));
    for (std::int64_t t = 0; t < T; ++t) {
      if (ignored(c, b * T + t)) continue;
      const std::int64_t at = (b * heads + h) * T + t;
      for (std::int64_t j = 0; j < own.seen(t); ++j) {
        const double off = std::exp(own.at(t, j) - get(c.in[GradientIn::x_lse], at)) -
                           std::exp(target.at(t, j) - get(c.in[GradientIn::target_lse], at));
        for (std::int64_t i = 0; i < own.d; ++i) {
          d[static_cast<std::size_t>(t * own.d + i)] += factor * off * own.value(j, i);
          d[static_cast<std::size_t>(j * own.d + i)] += factor * off * own.value(t, i);
        }
      }
    }
    for (std::int64_t t = 0; t < T; ++t)
      for (std::int64_t i = 0; i < own.d; ++i)
        set(c.out[0], own.first + t * own.W + i, d[static_cast<std::size_t>(t * own.d + i)]);
  });
}

void gradient(GradientContext& g) {
  if (!g.wants(In::x)) return;
  g.set(In::x, g.emit(relation_error_gradient,
                      {g.in(In::x), g.in(In::target), g.in(In::labels), g.out(1), g.out(2), g.in(In::scale)},
                      g.attributes<RelationErrorAttributes>())[0]);
}

// Scores and their products: each as many multiply-adds as attention's, of all positions in backward.
Cost cost_of(const Program& p, const Node& n, double products) {
  Cost cost = streaming_cost(p, n);
  const Shape &x = p[n.inputs[In::x]].type.shape, &target = p[n.inputs[In::target]].type.shape;
  const auto pairs = static_cast<double>(x[0] * x[1] * x[1]);
  cost.flops = pairs * (products * static_cast<double>(x[2]) + static_cast<double>(target[2]) * 2);
  return cost;
}
Cost cost(const Program& p, const Node& n) { return cost_of(p, n, 2); }
Cost cost_of_gradient(const Program& p, const Node& n) { return cost_of(p, n, 4); }

bool takes(const Call& c) { return gaps_only_in(c, {In::x}, {}); }
bool takes_gradient(const Call& c) { return gaps_only_in(c, {GradientIn::x}, {0}); }

constexpr InputRecord inputs[] = {{"x"}, {"target"}, {"labels"}, {"scale"}};
constexpr InputRecord gradient_inputs[] = {{"x"},     {"target"},     {"labels"},
                                           {"x_lse"}, {"target_lse"}, {"scale"}};

constexpr Variant variants[] = {{"rows", "cpu", takes, scratch, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", takes_gradient, scratch, run_gradient}};

}  // namespace

const OpRecord relation_error{.name = "relation_error",
                              .inputs = inputs,
                              .infer = infer,
                              .cost = cost,
                              .gradient = gradient,
                              .reference = reference,
                              .variants = variants,
                              .autocast = Autocast::any,
                              .loss = true};
const OpRecord relation_error_gradient{.name = "relation_error_gradient",
                                       .inputs = gradient_inputs,
                                       .infer = infer_gradient,
                                       .cost = cost_of_gradient,
                                       .reference = reference_gradient,
                                       .variants = gradient_variants};

}  // namespace hone::op
