#include "kernel/embedding.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// The gradient of an embedding as the rows of a step (`keep` gathered them): their sum into a table.
namespace hone::op {
namespace {

std::vector<OutputSpec> infer_add(const InferInput& i) {
  i.require_rank(0, 3);
  i.require(1, {{i.in[0].shape[0], i.in[0].shape[1]}, DType::i32});
  if (i.in[0].shape.last() != i.in[2].shape.last())
    i.fail("widths differ", to_string(i.in[2]), to_string(i.in[0]));
  return {{i.in[2], 2}};
}

kernel::AddRows arguments(const Call& c) {
  return {.rows = c.in[0].type.shape.rows(),
          .C = c.in[0].type.shape.last(),
          .ids = c.in[1].as<std::int32_t>(),
          .values = c.in[0].as<float>(),
          .sum = c.out[0].as<float>()};
}
std::int64_t scratch_add(const Call& c) { return kernel::scratch_bytes(arguments(c)); }
void run_add(const Call& c) { kernel::run(arguments(c), *c.pool, c.scratch); }

void reference_add(const Call& c) {
  const std::int64_t rows = c.in[0].type.shape.rows(), C = c.in[0].type.shape.last();
  const std::int64_t V = c.in[2].type.shape[0];
  for (std::int64_t v = 0; v < V; ++v)
    for (std::int64_t j = 0; j < C; ++j) {
      float sum = 0;
      for (std::int64_t r = 0; r < rows; ++r)
        if (static_cast<std::int64_t>(get(c.in[1], r)) == v)
          sum += static_cast<float>(get(c.in[0], r * C + j));
      set(c.out[0], v * C + j, get(c.in[2], v * C + j) + static_cast<double>(sum));
    }
}

Cost cost_add(const Program& p, const Node& n) {
  return {.flops = 0, .bytes = 3 * static_cast<double>(p[n.inputs[0]].type.bytes())};
}

constexpr Variant add_variants[] = {{"sorted", "cpu", nullptr, scratch_add, run_add}};

}  // namespace

const OpRecord add_rows{.name = "add_rows",
                        .infer = infer_add,
                        .cost = cost_add,
                        .reference = reference_add,
                        .variants = add_variants};

}  // namespace hone::op
