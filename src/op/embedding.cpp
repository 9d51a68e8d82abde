#include "kernel/embedding.hpp"

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using In = EmbeddingInputs;
using GradientIn = EmbeddingGradientInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(In::ids, 1);
  i.require_rank(In::table, 2);
  if (i.in[In::ids].dtype != DType::i32) i.fail("ids must be whole numbers", "i32", to_string(i.in[In::ids]));
  Shape rows = i.in[In::ids].shape;
  rows.push_back(i.in[In::table].shape[1]);
  return {{f32(rows)}};
}

Cost cost(const Program& p, const Node& n) {  // touches one row of the table for each id
  return {.flops = 0, .bytes = 2.0 * static_cast<double>(p[n.outputs[0]].type.bytes())};
}

void run(const Call& c) {
  kernel::run(kernel::Embedding{.rows = c.out[0].type.shape.rows(),
                                .C = c.out[0].type.shape.last(),
                                .ids = c.in[In::ids].as<std::int32_t>(),
                                .table = in(c.in[In::table]),
                                .y = c.out[0].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const std::int64_t C = c.out[0].type.shape.last();
  std::vector<float> values;
  const Operand table = expanded(c.in[In::table], values);
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, get(table, static_cast<std::int64_t>(get(c.in[In::ids], i / C)) * C + i % C));
}

void gradient(GradientContext& g) {
  if (!g.wants(In::table)) return;
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  const TensorId sum = g.sum(In::table);
  g.emit(embedding_gradient, {g.in(In::ids), dy, sum, g.step()}, SumAttributes{});
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(GradientIn::step, step_type());
  const TensorType &dy = i.in[GradientIn::dy], &sum = i.in[GradientIn::sum];
  if (dy.shape.last() != sum.shape[1]) i.fail("widths differ", to_string(sum), to_string(dy));
  return {{sum, GradientIn::sum}};
}

void run_gradient(const Call& c) {
  const Operand& dy = c.in[GradientIn::dy];
  kernel::run(kernel::EmbeddingGradient{.rows = dy.type.shape.rows(),
                                        .C = dy.type.shape.last(),
                                        .V = c.in[GradientIn::sum].type.shape[0],
                                        .ids = c.in[GradientIn::ids].as<std::int32_t>(),
                                        .dy = dy.as<float>(),
                                        .d_table = c.out[0].as<float>(),
                                        .accumulate = continues(c, GradientIn::step)},
              c.isa, *c.pool);
}

void reference_gradient(const Call& c) {
  const Operand& dy = c.in[GradientIn::dy];
  const std::int64_t C = dy.type.shape.last(), rows = dy.type.shape.rows();
  if (!continues(c, GradientIn::step))
    for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i) set(c.out[0], i, 0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < C; ++j) {
      const std::int64_t at = static_cast<std::int64_t>(get(c.in[GradientIn::ids], r)) * C + j;
      set(c.out[0], at, get(c.out[0], at) + get(dy, r * C + j));
    }
}

Cost gradient_cost(const Program& p, const Node& n) {
  return {.flops = 0,
          .bytes = static_cast<double>(p[n.inputs[GradientIn::sum]].type.bytes() +
                                       3 * p[n.inputs[GradientIn::dy]].type.bytes())};
}

constexpr InputRecord inputs[] = {{"ids"}, {.name = "table", .trains = true, .stored = true}};
constexpr InputRecord gradient_inputs[] = {{"ids"}, {"dy"}, {"sum"}, {"step"}};
constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", nullptr, nullptr, run_gradient}};

}  // namespace

const OpRecord embedding{.name = "embedding",
                         .inputs = inputs,
                         .infer = infer,
                         .cost = cost,
                         .gradient = gradient,
                         .reference = reference,
                         .variants = variants};
const OpRecord embedding_gradient{.name = "embedding_gradient",
                                  .inputs = gradient_inputs,
                                  .infer = infer_gradient,
                                  .cost = gradient_cost,
                                  .reference = reference_gradient,
                                  .variants = gradient_variants,
                                  .continue_sums = continue_sum};

}  // namespace hone::op
