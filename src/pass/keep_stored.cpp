// Weights in the type that their file has them in.
#include <algorithm>

#include "ir/op_record.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// Does whoever reads it take it in any type?
bool is_read_in_any_type(const Program& p, TensorId weight) {
  return std::all_of(p.nodes.begin(), p.nodes.end(), [&](const Node& node) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i] || p.root(node.inputs[i]) != weight) continue;
      if (node.inputs[i] != weight || i >= node.op->inputs.size() || !node.op->inputs[i].stored) return false;
    }
    return true;
  });
}

}  // namespace

void keep_stored(Program& p, const std::map<std::string, DType>& stored, bool trained_too) {
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    const TensorId weight{static_cast<std::int32_t>(i)};
    TensorDef& t = p[weight];
    if (t.role != Role::parameter || t.alias != Alias::none || t.type.dtype != DType::f32) continue;
    const auto found = stored.find(t.parameter->name);
    if (found == stored.end() || (t.parameter->trained && !trained_too)) continue;
    if (t.parameter->transposed && !is_blocks(found->second)) continue;  // which files have in rows
    if (!is_read_in_any_type(p, weight)) continue;
    ParameterSpec spec = *t.parameter;
    spec.dtype = t.type.dtype = found->second;
    t.parameter = std::make_shared<const ParameterSpec>(std::move(spec));
  }
}

}  // namespace hone
