#include <utility>

#include "op/gradient_context.hpp"
#include "op/ops.hpp"
#include "pass/kept.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// Which use of the parameter this sum belongs to, and how many uses there are.
struct Uses {
  std::size_t of = 0, count = 0;
};

Uses uses_of(const Program& p, const std::string& parameter, const std::string& sum) {
  Uses uses;
  for (; p.find(gradient_name(parameter, uses.count)); ++uses.count)
    if (gradient_name(parameter, uses.count) == sum) uses.of = uses.count;
  return uses;
}

// The uses after the one that went move up, so that they stay numbered from the first.
void move_up(Program& p, const std::string& parameter, Uses uses) {
  for (TensorDef& t : p.tensors)
    if (t.name == gradient_name(parameter, uses.of)) t.name += ".unused";
  for (std::size_t use = uses.of + 1; use < uses.count; ++use)
    for (TensorDef& t : p.tensors)
      if (t.name == gradient_name(parameter, use)) t.name = gradient_name(parameter, use - 1);
}

}  // namespace

void keep_embedding_rows(Program& p, std::int64_t batch) {
  for (std::size_t n = 0; n < p.nodes.size(); ++n) {
    const Node node = p.nodes[n];
    if (node.op != &op::embedding_gradient) continue;
    const TensorId ids = node.inputs[0], dy = node.inputs[1];
    const TensorDef sum = p[node.inputs[2]];
    const std::string parameter = node.name;  // an embedding is named after its table
    const Uses uses = uses_of(p, parameter, sum.name);
    const std::int64_t step_rows = batch * p[ids].type.shape[1];
    if (uses.count < 2 || step_rows >= sum.type.shape[0] || p.find("rows." + parameter)) continue;
    p.nodes[n] = kept_for_step(p, dy, "rows." + parameter, batch, parameter);
    Node keep_ids = kept_for_step(p, ids, "row_ids." + parameter, batch, parameter);
    p.nodes.insert(p.nodes.begin() + static_cast<std::ptrdiff_t>(n), std::move(keep_ids));
    move_up(p, parameter, uses);
  }
}

}  // namespace hone
