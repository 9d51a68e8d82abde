#include "kernel/soft_targets.hpp"

#include <cmath>

#include "kernel/cross_entropy.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using In = SoftCrossEntropyInputs;
using GradientIn = SoftCrossEntropyGradientInputs;

// Of the places that both nodes have: logits, labels, ids and masses stand first.
void require_targets(const InferInput& i) {
  i.require_rank_at_least(In::logits, 2);
  i.require_rank_at_least(In::ids, 2);
  const Shape &logits = i.in[In::logits].shape, &ids = i.in[In::ids].shape;
  i.require(In::labels, {rows_shape(logits), DType::i32});
  i.require(In::ids, {logits.with_last(ids.last()), DType::i32});
  if (ids.last() > logits.last())
    i.fail("more ids than logits", "at most " + std::to_string(logits.last()), std::to_string(ids.last()));
  i.require(In::masses, f32(logits.with_last(ids.last() + 1)));
}

std::vector<OutputSpec> infer(const InferInput& i) {
  require_targets(i);
  i.require(In::scale, f32({1}));
  const Shape rows = i.in[In::labels].shape;
  return {{f32(rows)}, {f32(rows)}, {f32(rows)}, {f32(rows)}};
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  require_targets(i);
  return {{i.in[GradientIn::logits]}};
}

kernel::SoftTargets targets(const Call& c) {
  const auto& a = c.attributes.as<SoftCrossEntropyAttributes>();
  const Operand& logits = c.in[In::logits];
  return {.rows = logits.type.shape.rows(),
          .V = logits.type.shape.last(),
          .known = c.in[In::ids].type.shape.last(),
          .logits = in(logits),
          .stride = logits.row_stride(),
          .labels = c.in[In::labels].as<std::int32_t>(),
          .ids = c.in[In::ids].as<std::int32_t>(),
          .masses = c.in[In::masses].as<float>(),
          .share = a.share,
          .temperature = a.temperature};
}

void run(const Call& c) {
  const kernel::SoftTargets t = targets(c);
  kernel::run(kernel::CrossEntropy{.rows = t.rows,
                                   .V = t.V,
                                   .logits = t.logits,
                                   .stride = t.stride,
                                   .labels = t.labels,
                                   .loss = c.out[0].as<float>(),
                                   .lse = c.out[1].as<float>()},
              c.isa, *c.pool);
  kernel::run(kernel::SoftLoss{.targets = t,
                               .loss = c.out[0].as<float>(),
                               .soft_lse = c.out[2].as<float>(),
                               .others = c.out[3].as<float>()},
              c.isa, *c.pool);
}

void run_gradient(const Call& c) {
  kernel::run(kernel::SoftLossGradient{.targets = targets(c),
                                       .lse = c.in[GradientIn::lse].as<float>(),
                                       .soft_lse = c.in[GradientIn::soft_lse].as<float>(),
                                       .others = c.in[GradientIn::others].as<float>(),
                                       .scale = c.in[GradientIn::scale].as<float>(),
                                       .d_logits = out(c.out[0])},
              c.isa, *c.pool);
}

// A row as its definition has it.
struct Row {
  Row(const Call& c, std::int64_t row)
      : call(c), r(row), V(c.in[In::logits].type.shape.last()), k(c.in[In::ids].type.shape.last()) {}
  const Call& call;
  std::int64_t r, V, k;
  double logit(std::int64_t v) const { return get(call.in[In::logits], r * V + v); }
  std::int64_t label() const { return static_cast<std::int64_t>(get(call.in[In::labels], r)); }
  std::int64_t id(std::int64_t i) const {
    return static_cast<std::int64_t>(get(call.in[In::ids], r * k + i));
  }
  double mass(std::int64_t i) const {
    double sum = 0;
    for (std::int64_t each = 0; each <= k; ++each) sum += get(call.in[In::masses], r * (k + 1) + each);
    return get(call.in[In::masses], r * (k + 1) + i) / sum;
  }
  double log_sum(double temperature) const {
    double largest = logit(0), sum = 0;
    for (std::int64_t v = 1; v < V; ++v) largest = std::max(largest, logit(v));
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp((logit(v) - largest) / temperature);
    return largest / temperature + std::log(sum);
  }
  // Which of the teacher's ids v is; k: it is one of the others.
  std::int64_t place(std::int64_t v) const {
    std::int64_t i = 0;
    while (i < k && id(i) != v) ++i;
    return i;
  }
};

void reference(const Call& c) {
  const auto& a = c.attributes.as<SoftCrossEntropyAttributes>();
  const auto share = static_cast<double>(a.share), T = static_cast<double>(a.temperature);
  for (std::int64_t r = 0; r < c.in[In::logits].type.shape.rows(); ++r) {
    const Row row(c, r);
    const double lse = row.log_sum(1), soft_lse = row.log_sum(T);
    double others = 0, divergence = 0;
    for (std::int64_t v = 0; v < row.V; ++v) {
      const double log_q = row.logit(v) / T - soft_lse;
      const std::int64_t at = row.place(v);
      if (at == row.k)
        others += std::exp(log_q);
      else if (const double p = row.mass(at); p > 0)
        divergence += p * (std::log(p) - log_q);
    }
    const double rest = row.mass(row.k);
    if (others > 0 && rest > 0) divergence += rest * (std::log(rest) - std::log(others));
    const bool ignored = row.label() == kernel::ignored_label;
    const double hard = ignored ? 0 : lse - row.logit(row.label());
    set(c.out[0], r, ignored ? 0 : (1 - share) * hard + share * T * T * divergence);
    set(c.out[1], r, lse);
    set(c.out[2], r, soft_lse);
    set(c.out[3], r, others > 0 ? rest / others : 0);
  }
}

void reference_gradient(const Call& c) {
  const auto& a = c.attributes.as<SoftCrossEntropyAttributes>();
  const auto share = static_cast<double>(a.share), T = static_cast<double>(a.temperature);
  const double scale = get(c.in[GradientIn::scale], 0);
  for (std::int64_t r = 0; r < c.in[In::logits].type.shape.rows(); ++r) {
    const Row row(c, r);
    for (std::int64_t v = 0; v < row.V; ++v) {
      const double q = std::exp(row.logit(v) / T - get(c.in[GradientIn::soft_lse], r));
      const std::int64_t at = row.place(v);
      const double p = at < row.k ? row.mass(at) : q * get(c.in[GradientIn::others], r);
      const double hard = std::exp(row.logit(v) - get(c.in[GradientIn::lse], r)) - (v == row.label() ? 1 : 0);
      const bool ignored = row.label() == kernel::ignored_label;
      set(c.out[0], r * row.V + v, ignored ? 0 : scale * ((1 - share) * hard + share * T * (q - p)));
    }
  }
}

void gradient(GradientContext& g) {
  if (!g.wants(In::logits)) return;
  g.set(In::logits, g.emit(soft_cross_entropy_gradient,
                           {g.in(In::logits), g.in(In::labels), g.in(In::ids), g.in(In::masses), g.out(1),
                            g.out(2), g.out(3), g.in(In::scale)},
                           g.attributes<SoftCrossEntropyAttributes>())[0]);
}

bool takes(const Call& c) { return gaps_only_in(c, {In::logits}, {}); }
bool takes_gradient(const Call& c) {
  constexpr std::size_t logits = GradientIn::logits;
  return gaps_only_in(c, {logits}, {0}) && c.out[0].row_stride() == c.in[logits].row_stride();
}

constexpr InputRecord inputs[] = {{"logits"}, {"labels"}, {"ids"}, {"masses"}, {"scale"}};
constexpr InputRecord gradient_inputs[] = {{"logits"}, {"labels"},   {"ids"},    {"masses"},
                                           {"lse"},    {"soft_lse"}, {"others"}, {"scale"}};

constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", takes_gradient, nullptr, run_gradient}};

}  // namespace

const OpRecord soft_cross_entropy{.name = "soft_cross_entropy",
                                  .inputs = inputs,
                                  .infer = infer,
                                  .cost = streaming_cost,
                                  .gradient = gradient,
                                  .reference = reference,
                                  .variants = variants,
                                  .autocast = Autocast::any,
                                  .loss = true,
                                  .of_logits = true};
const OpRecord soft_cross_entropy_gradient{.name = "soft_cross_entropy_gradient",
                                           .inputs = gradient_inputs,
                                           .infer = infer_gradient,
                                           .cost = streaming_cost,
                                           .alias = first_input,
                                           .reference = reference_gradient,
                                           .variants = gradient_variants};

}  // namespace hone::op
