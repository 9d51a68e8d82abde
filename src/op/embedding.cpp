#include "kernel/embedding.hpp"

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank(0, 2);
  i.require_rank(1, 2);
  if (i.in[0].dtype != DType::i32) i.fail("ids must be whole numbers", "i32", to_string(i.in[0]));
  return {{f32({i.in[0].shape[0], i.in[0].shape[1], i.in[1].shape[1]})}};
}

Cost cost(const Program& p, const Node& n) {  // touches one row of the table for each id
  return {.flops = 0, .bytes = 2.0 * static_cast<double>(p[n.outputs[0]].type.bytes())};
}

void run(const Call& c) {
  kernel::run(kernel::Embedding{.rows = c.out[0].type.shape.rows(),
                                .C = c.out[0].type.shape.last(),
                                .ids = c.in[0].as<std::int32_t>(),
                                .table = c.in[1].as<float>(),
                                .addend = nullptr,
                                .y = c.out[0].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const std::int64_t C = c.out[0].type.shape.last();
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, get(c.in[1], static_cast<std::int64_t>(get(c.in[0], i / C)) * C + i % C));
}

void gradient(GradientContext& g) {
  if (!g.wants(1)) return;
  const TensorId dy = g.gradient(0);
  if (!dy) return;
  const auto sum = g.sum(1);
  g.set_sum(1, g.emit(embedding_gradient, {g.in(0), dy, sum.current, g.step()}, SumAttributes{sum.begun})[0]);
}

std::vector<OutputSpec> infer_gradient(const InferInput& i) {
  i.require(3, step_type());
  if (i.in[1].shape.last() != i.in[2].shape[1])
    i.fail("widths differ", to_string(i.in[2]), to_string(i.in[1]));
  return {{i.in[2], 2}};
}

void run_gradient(const Call& c) {
  kernel::run(kernel::EmbeddingGradient{.rows = c.in[1].type.shape.rows(),
                                        .C = c.in[1].type.shape.last(),
                                        .V = c.in[2].type.shape[0],
                                        .ids = c.in[0].as<std::int32_t>(),
                                        .dy = c.in[1].as<float>(),
                                        .d_table = c.out[0].as<float>(),
                                        .accumulate = continues(c, 3)},
              c.isa, *c.pool);
}

void reference_gradient(const Call& c) {
  const std::int64_t C = c.in[1].type.shape.last(), rows = c.in[1].type.shape.rows();
  if (!continues(c, 3))
    for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i) set(c.out[0], i, 0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t j = 0; j < C; ++j) {
      const std::int64_t at = static_cast<std::int64_t>(get(c.in[0], r)) * C + j;
      set(c.out[0], at, get(c.out[0], at) + get(c.in[1], r * C + j));
    }
}

Cost gradient_cost(const Program& p, const Node& n) {
  return {.flops = 0,
          .bytes = static_cast<double>(p[n.inputs[2]].type.bytes() + 3 * p[n.inputs[1]].type.bytes())};
}

constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};
constexpr Variant gradient_variants[] = {{"rows", "cpu", nullptr, nullptr, run_gradient}};

}  // namespace

const OpRecord embedding{.name = "embedding",
                         .infer = infer,
                         .cost = cost,
                         .gradient = gradient,
                         .reference = reference,
                         .variants = variants};
const OpRecord embedding_gradient{.name = "embedding_gradient",
                                  .infer = infer_gradient,
                                  .cost = gradient_cost,
                                  .reference = reference_gradient,
                                  .variants = gradient_variants};

}  // namespace hone::op
