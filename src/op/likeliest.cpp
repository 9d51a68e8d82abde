#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernel/soft_targets.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// What a teacher knows of a token: its likeliest classes, and their masses.
namespace hone::op {
namespace {

LikeliestAttributes attributes(const Call& c) { return c.attributes.as<LikeliestAttributes>(); }

std::int64_t classes(const LikeliestAttributes& a, const Shape& logits) {
  return a.classes > 0 ? a.classes : logits.last();
}

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(0, 2);
  const Shape& logits = i.in[0].shape;
  const auto a = i.attributes.as<LikeliestAttributes>();
  const std::int64_t k = a.count, V = classes(a, logits);
  if (V > logits.last())
    i.fail("more classes than logits", "at most " + std::to_string(logits.last()), std::to_string(V));
  if (k < 1 || k > V) i.fail("no such number of classes", "1 to " + std::to_string(V), std::to_string(k));
  return {{{logits.with_last(k), DType::i32}}, {f32(logits.with_last(k + 1))}};
}

void run(const Call& c) {
  const Operand& logits = c.in[0];
  kernel::run(kernel::LikeliestClasses{.rows = logits.type.shape.rows(),
                                       .V = classes(attributes(c), logits.type.shape),
                                       .known = attributes(c).count,
                                       .logits = in(logits),
                                       .stride = logits.row_stride(),
                                       .temperature = attributes(c).temperature,
                                       .ids = c.out[0].as<std::int32_t>(),
                                       .masses = c.out[1].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const std::int64_t all = c.in[0].type.shape.last(), V = classes(attributes(c), c.in[0].type.shape),
                     k = attributes(c).count;
  const auto T = static_cast<double>(attributes(c).temperature);
  for (std::int64_t r = 0; r < c.in[0].type.shape.rows(); ++r) {
    const auto logit = [&](std::int64_t v) { return get(c.in[0], r * all + v); };
    std::vector<std::int64_t> order(static_cast<std::size_t>(V));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return logit(a) > logit(b); });
    const double largest = logit(order[0]);
    double sum = 0, rest = 0;
    for (std::int64_t i = 0; i < V; ++i) {
      const double e = std::exp((logit(order[static_cast<std::size_t>(i)]) - largest) / T);
      sum += e;
      if (i >= k) rest += e;
    }
    std::sort(order.begin(), order.begin() + k);
    for (std::int64_t i = 0; i < k; ++i) {
      const std::int64_t id = order[static_cast<std::size_t>(i)];
      set(c.out[0], r * k + i, static_cast<double>(id));
      set(c.out[1], r * (k + 1) + i, std::exp((logit(id) - largest) / T) / sum);
    }
    set(c.out[1], r * (k + 1) + k, rest / sum);
  }
}

bool takes(const Call& c) { return gaps_only_in(c, {0}, {}); }

constexpr InputRecord inputs[] = {{"logits"}};
constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};

}  // namespace

const OpRecord likeliest{.name = "likeliest",
                         .inputs = inputs,
                         .infer = infer,
                         .cost = streaming_cost,
                         .reference = reference,
                         .variants = variants,
                         .autocast = Autocast::any,
                         .of_logits = true};

}  // namespace hone::op
