#include <algorithm>
#include <utility>

#include "pass/kept.hpp"
#include "pass/passes.hpp"

namespace hone {

void keep_activations(Program& p, const std::map<std::string, TensorId>& kept, std::int64_t batch) {
  for (const auto& [name, x] : kept) {
    if (p.find(kept_name(name))) continue;
    const TensorId made = p.root(x);  // of a part: whoever makes the whole
    const auto maker = std::find_if(p.nodes.begin(), p.nodes.end(), [made](const Node& node) {
      return std::find(node.outputs.begin(), node.outputs.end(), made) != node.outputs.end();
    });
    const auto behind = maker - p.nodes.begin() + 1;
    Node keep = kept_for_step(p, x, kept_name(name), batch, name);
    p.nodes.insert(p.nodes.begin() + behind, std::move(keep));
  }
}

std::string kept_name(const std::string& activation) { return "kept." + activation; }

}  // namespace hone
