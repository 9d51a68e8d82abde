// Training that leaves a pruned model's zeros: their gradients are zero, and so is what an optimizer keeps of
// them and adds to them.
#include <set>

#include "op/common.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

std::set<std::int32_t> tables(const Program& p) {
  std::set<std::int32_t> found;
  for (const Node& node : p.nodes)
    if (node.op == &op::embedding) found.insert(p.root(node.inputs[op::EmbeddingInputs::table]).value);
  return found;
}

}  // namespace

void keep_zeros(Program& p) {
  const std::set<std::int32_t> not_pruned = tables(p);
  for (std::size_t i = 0, count = p.tensors.size(); i < count; ++i) {
    const TensorId id{static_cast<std::int32_t>(i)};
    const TensorDef& t = p[id];
    if (t.role != Role::parameter || t.alias != Alias::none || !t.parameter->trained) continue;
    if (t.type.shape.rank() != 2 || not_pruned.contains(id.value)) continue;
    const auto uses = p.states(Purpose::gradient, t.name);
    if (!uses.empty()) emit(p, op::keep_zeros, {p.newest(uses.front()), id}, {}, t.name, Phase::norm);
  }
}

}  // namespace hone
