// Weights in bf16 alone.
#include <algorithm>

#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// Who reads it: rows are taken from it, or products read its bf16 copy; nobody else.
bool may_be_held(const Program& p, TensorId weight) {
  const TensorDef& t = p[weight];
  if (t.role != Role::parameter || t.alias != Alias::none || !t.parameter->trained) return false;
  if (t.type.shape.rank() < 2 || t.type.dtype != DType::f32) return false;
  return std::all_of(p.nodes.begin(), p.nodes.end(), [&](const Node& node) {
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](TensorId id) { return id && p.root(id) == weight; });
    return !reads || node.op == &op::embedding ||
           (node.op == &op::cast && node.phase == Phase::prepare &&
            p[node.outputs[0]].type.dtype == DType::bf16);
  });
}

// The weight itself in place of its copy, and of what views there are of that.
void replace(Program& p, TensorId copy, TensorId weight) {
  for (TensorDef& t : p.tensors)
    if (t.alias == Alias::view && t.base == copy) t.base = weight, t.role = Role::parameter;
  for (Node& node : p.nodes)
    for (TensorId& id : node.inputs)
      if (id == copy) id = weight;
}

}  // namespace

void hold_in_bf16(Program& p) {
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    const TensorId weight{static_cast<std::int32_t>(i)};
    if (!may_be_held(p, weight)) continue;
    ParameterSpec spec = *p[weight].parameter;
    spec.dtype = DType::bf16;
    p[weight].type.dtype = DType::bf16;
    p[weight].parameter = std::make_shared<const ParameterSpec>(spec);
    for (std::size_t n = p.nodes.size(); n-- > 0;) {
      const Node node = p.nodes[n];
      if (node.op != &op::cast || node.inputs[0] != weight) continue;
      p.nodes.erase(p.nodes.begin() + static_cast<std::ptrdiff_t>(n));
      replace(p, node.outputs[0], weight);
    }
  }
}

}  // namespace hone
