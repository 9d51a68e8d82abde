#include "pass/kept.hpp"

#include "op/common.hpp"
#include "op/ops.hpp"

namespace hone {

Node kept_for_step(Program& p, TensorId x, const KeptState& state, std::int64_t batch,
                   const std::string& node_name) {
  TensorType type = p[x].type;
  type.shape[0] = batch;
  const TensorId kept = p.add({.name = state.name,
                               .type = type,
                               .role = Role::state,
                               .lifetime = Lifetime::run,
                               .purpose = state.purpose,
                               .of = state.of});
  emit(p, op::keep, {x, kept, op::step_input(p)}, op::KeepAttributes{}, node_name);
  Node node = std::move(p.nodes.back());
  p.nodes.pop_back();
  return node;
}

}  // namespace hone
