#include <algorithm>

#include "base/random.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {

UpdateContext::UpdateContext(Program& program, const OptimizerRecord& record, TensorId weight,
                             TensorId gradient, TensorId hyper, TensorId clip_scale, bool decay)
    : p_(program),
      weight_(weight),
      gradient_(gradient),
      hyper_(hyper),
      clip_scale_(clip_scale),
      decay_(decay) {
  const TensorDef of = p_[weight];
  if (of.type.dtype == DType::bf16) step_ = op::step_input(p_);
  for (const OptimizerState& state : record.states)
    states_.push_back(p_.add({.name = std::string(state.name) + "." + of.name,
                              .type = {state.shape ? state.shape(of.type.shape) : of.type.shape, state.dtype},
                              .role = Role::state,
                              .lifetime = Lifetime::saved,
                              .purpose = Purpose::optimizer,
                              .of = of.name}));
}

std::vector<TensorId> UpdateContext::emit(const OpRecord& op, std::vector<TensorId> inputs,
                                          const Attributes& attributes) {
  auto outputs = hone::emit(p_, op, std::move(inputs), attributes, p_[weight_].name, Phase::update);
  p_.nodes.back().backward = true;
  return outputs;
}

TensorId UpdateContext::low_copy() const {
  for (const Node& node : p_.nodes) {
    if (node.phase != Phase::prepare || node.op != &op::cast || node.inputs[0] != weight_) continue;
    if (p_[node.outputs[0]].type.dtype != DType::f32) return node.outputs[0];
  }
  return {};
}

UpdateAttributes UpdateContext::attributes() const {
  return {.decay = decay_, .stream = step_ ? stream_key("rounding of " + p_[weight_].name, 0) : 0};
}

DType UpdateContext::product_type() const {
  const TensorId copy = low_copy();
  return copy ? p_[copy].type.dtype : DType::f32;
}

TensorId UpdateContext::take_low_copy() {
  const TensorId copy = low_copy();
  if (copy) written_.push_back(copy);
  return copy;
}

void UpdateContext::renew_derived() {
  const std::size_t count = p_.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    if (p_.nodes[n].phase != Phase::prepare) continue;
    const Node node = p_.nodes[n];
    const auto of_weight = [&](TensorId id) {
      return p_[id].purpose == Purpose::derived && p_[id].of == p_[weight_].name;
    };
    if (!std::any_of(node.outputs.begin(), node.outputs.end(), of_weight)) continue;
    if (std::find(written_.begin(), written_.end(), node.outputs[0]) != written_.end()) continue;
    auto inputs = node.inputs;
    for (TensorId& id : inputs)
      if (id) id = p_.newest(id);
    emit(*node.op, inputs, node.attributes);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const TensorId next = add_version(p_, node.outputs[i]);
      p_.nodes.back().outputs[i] = next;
    }
  }
}

}  // namespace hone
