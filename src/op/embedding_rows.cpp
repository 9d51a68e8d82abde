#include "kernel/embedding.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// The gradient of an embedding as the rows of a step (`keep` gathered them): their sum into a table.
namespace hone::op {
namespace {

using In = AddRowsInputs;

std::vector<OutputSpec> infer_add(const InferInput& i) {
  const TensorType &rows = i.in[In::rows], &ids = i.in[In::ids], &sum = i.in[In::sum];
  if (ids.dtype != DType::i32 || ids.shape.elements() != rows.shape.rows())
    i.fail("not an id for each row", std::to_string(rows.shape.rows()) + " i32", to_string(ids));
  if (rows.shape.last() != sum.shape.last()) i.fail("widths differ", to_string(sum), to_string(rows));
  i.require(In::sum, {sum.shape, sum_type(sum.dtype)});
  return {{sum, In::sum}};
}

kernel::AddRows arguments(const Call& c) {
  const Operand& rows = c.in[In::rows];
  return {.rows = rows.type.shape.rows(),
          .C = rows.type.shape.last(),
          .ids = c.in[In::ids].as<std::int32_t>(),
          .values = rows.as<float>(),
          .sum = out(c.out[0])};
}
std::int64_t scratch_add(const Call& c) { return kernel::scratch_bytes(arguments(c)); }
void run_add(const Call& c) { kernel::run(arguments(c), *c.pool, c.scratch); }

void reference_add(const Call& c) {
  const Operand &values = c.in[In::rows], &sums = c.in[In::sum];
  const std::int64_t rows = values.type.shape.rows(), C = values.type.shape.last();
  const std::int64_t V = sums.type.shape[0];
  for (std::int64_t v = 0; v < V; ++v)
    for (std::int64_t j = 0; j < C; ++j) {
      float sum = 0;
      for (std::int64_t r = 0; r < rows; ++r)
        if (static_cast<std::int64_t>(get(c.in[In::ids], r)) == v)
          sum += static_cast<float>(get(values, r * C + j));
      set(c.out[0], v * C + j, get(sums, v * C + j) + static_cast<double>(sum));
    }
}

Cost cost_add(const Program& p, const Node& n) {
  return {.flops = 0, .bytes = 3 * static_cast<double>(p[n.inputs[In::rows]].type.bytes())};
}

constexpr InputRecord inputs[] = {{"rows"}, {"ids"}, {"sum"}};
constexpr Variant add_variants[] = {{"sorted", "cpu", nullptr, scratch_add, run_add}};

}  // namespace

const OpRecord add_rows{.name = "add_rows",
                        .inputs = inputs,
                        .infer = infer_add,
                        .cost = cost_add,
                        .reference = reference_add,
                        .variants = add_variants,
                        .bf16_sums = true};

}  // namespace hone::op
