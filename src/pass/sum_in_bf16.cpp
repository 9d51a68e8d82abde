// Sums of gradients in the type of the weights that they belong to.
#include <algorithm>

#include "kernel/element.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// Each addition is off by up to 2^-9 of the sum. Of 64 pieces alike the last one, a 64th of the sum, still
// counts to an eighth of itself.
constexpr std::int64_t most_pieces = 64;

// What the step's samples add to a sum: a piece for each stretch of positions of each of them.
std::int64_t pieces(const Program& p, const Node& node, std::int64_t batch) {
  if (node.op != &op::linear_weight_gradient) return 0;
  const op::Rows rows = op::rows_of(p[node.inputs[op::LinearWeightGradientInputs::dy]].type.shape);
  return batch * ((rows.positions + kernel::piece_positions - 1) / kernel::piece_positions);
}

bool may_be_narrow(const Program& p, TensorId sum, std::int64_t batch) {
  const TensorId weight = p.find(p[sum].of);
  if (!weight || p[weight].type.dtype != DType::bf16 || p[sum].type.dtype != DType::f32) return false;
  std::int64_t added = 0;
  for (const Node& node : p.nodes) {
    const auto is_sum = [&](TensorId id) { return id && p.root(id) == sum; };
    const bool writes = std::any_of(node.outputs.begin(), node.outputs.end(), is_sum);
    if (!writes && !std::any_of(node.inputs.begin(), node.inputs.end(), is_sum)) continue;
    if (!writes || !node.op->bf16_sums) return false;
    added += pieces(p, node, batch);
  }
  return added > 0 && added <= most_pieces;
}

}  // namespace

void sum_in_bf16(Program& p, std::int64_t batch) {
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    const TensorId sum{static_cast<std::int32_t>(i)};
    if (p[sum].purpose != Purpose::gradient || p.root(sum) != sum || !may_be_narrow(p, sum, batch)) continue;
    for (std::size_t k = 0; k < p.tensors.size(); ++k)
      if (p.root({static_cast<std::int32_t>(k)}) == sum) p.tensors[k].type.dtype = DType::bf16;
  }
}

}  // namespace hone
