#include "pass/passes.hpp"

namespace hone {

Program cut(const Program& whole, Phase phase) {
  Program part = whole;
  std::erase_if(part.nodes, [phase](const Node& node) { return node.phase != phase; });
  std::vector<bool> made(part.tensors.size(), false);
  for (const Node& node : part.nodes)
    for (const TensorId id : node.outputs) {
      made[static_cast<std::size_t>(id.value)] = true;
      if (part[id].alias == Alias::view) made[static_cast<std::size_t>(part[id].base.value)] = true;
    }
  // An output may be a part of what a node made: the logits behind the last position.
  std::erase_if(part.outputs, [&](const Output& o) {
    const TensorId whole_of = part[o.id].alias == Alias::view ? part[o.id].base : o.id;
    return !made[static_cast<std::size_t>(whole_of.value)];
  });
  for (std::size_t i = 0; i < part.tensors.size();
       ++i) {  // a version made elsewhere is simply the state here
    TensorDef& t = part.tensors[i];
    if (t.alias == Alias::version && !made[i]) t.previous = {};
  }
  remove_dead(part);
  return part;
}

}  // namespace hone
