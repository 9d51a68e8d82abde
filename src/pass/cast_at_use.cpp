#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {

void cast_at_use(Program& p) {
  for (Node& node : p.nodes) {
    if (node.phase != Phase::prepare || node.op != &op::cast) continue;
    const TensorId made = node.outputs[0];
    if (p[made].purpose != Purpose::derived || p[made].alias != Alias::none) continue;
    node.phase = Phase::micro;  // it stands in front of its first reader
    for (std::size_t i = 0; i < p.tensors.size(); ++i) {
      TensorDef& t = p.tensors[i];
      if (p.root({static_cast<std::int32_t>(i)}) != made) continue;
      t.role = Role::activation;
      t.lifetime = Lifetime::step;
      t.purpose = Purpose::none;
      t.of.clear();
    }
  }
}

}  // namespace hone
