#include <algorithm>

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

// The newest version of a tensor by name, as the micro-batch phase leaves it: the one that none replaces.
TensorId latest(const Program& p, const std::string& name) {
  std::vector<bool> replaced(p.tensors.size(), false);
  for (const TensorDef& t : p.tensors)
    if (t.previous) replaced[static_cast<std::size_t>(t.previous.value)] = true;
  TensorId found;
  for (std::size_t i = 0; i < p.tensors.size(); ++i)
    if (p.tensors[i].name == name && p.tensors[i].alias != Alias::view && !replaced[i])
      found = {static_cast<std::int32_t>(i)};
  return found;
}

TensorId moment(Program& p, const std::string& kind, const TensorDef& parameter) {
  return p.add({.name = kind + "." + parameter.name,
                .type = {parameter.type.shape, DType::f32},
                .role = Role::state,
                .lifetime = Lifetime::saved});
}

// The sum over all uses of a parameter, joined in program order; none where it has no gradient.
TensorId joined_gradient(Program& p, const std::string& parameter) {
  TensorId gradient = latest(p, gradient_name(parameter, 0));
  for (std::size_t use = 1; gradient; ++use) {
    const TensorId more = latest(p, gradient_name(parameter, use));
    if (!more) break;
    gradient = emit(p, op::accumulate, {gradient, more}, {}, parameter, Phase::norm)[0];
  }
  if (const TensorId rows = latest(p, "rows." + parameter))
    gradient = emit(p, op::add_rows, {rows, latest(p, "row_ids." + parameter), gradient}, {}, parameter,
                    Phase::norm)[0];
  return gradient;
}

}  // namespace

void append_adamw(Program& p, const AdamWOptions& options) {
  const TensorId hyper = p.add({.name = input::hyper, .type = op::f32({7}), .role = Role::input});
  const TensorId clip = p.add({.name = input::clip, .type = op::f32({1}), .role = Role::input});
  std::vector<TensorId> parameters, norm_inputs{clip};
  for (std::size_t i = 0; i < p.tensors.size(); ++i)
    if (p.tensors[i].role == Role::parameter && p.tensors[i].alias == Alias::none)
      parameters.push_back({static_cast<std::int32_t>(i)});
  std::vector<std::pair<TensorId, TensorId>> trained;  // parameter, gradient
  for (const TensorId id : parameters)
    if (const TensorId gradient = joined_gradient(p, p[id].name)) {
      trained.emplace_back(id, gradient);
      norm_inputs.push_back(gradient);
    }
  const auto norm = emit(p, op::gradient_norm, norm_inputs, {}, "clip", Phase::norm);
  const auto keep = [&](TensorId id, const char* name) {  // the update, or the loop, reads it later
    p[id].name = name;
    p[id].role = Role::state;
  };
  keep(norm[0], "grad_norm");
  keep(norm[1], "clip_scale");
  for (const auto& [id, gradient] : trained) {
    const TensorDef parameter = p[id];
    std::vector<TensorId> inputs{id,    gradient, moment(p, "m", parameter), moment(p, "v", parameter),
                                 hyper, norm[1]};
    const TensorId low = latest(p, parameter.name + ".bf16");
    if (low) inputs.push_back(low);
    emit(p, op::adamw, inputs, op::AdamWAttributes{.decay = options.decays(parameter.name), .low = bool(low)},
         parameter.name, Phase::update);
  }
}

Program cut(const Program& whole, Phase phase) {
  Program part = whole;
  std::erase_if(part.nodes, [phase](const Node& node) { return node.phase != phase; });
  std::vector<bool> made(part.tensors.size(), false);
  for (const Node& node : part.nodes)
    for (const TensorId id : node.outputs) {
      made[static_cast<std::size_t>(id.value)] = true;
      if (part[id].alias == Alias::view) made[static_cast<std::size_t>(part[id].base.value)] = true;
    }
  std::erase_if(part.outputs, [&](TensorId id) { return !made[static_cast<std::size_t>(id.value)]; });
  for (std::size_t i = 0; i < part.tensors.size();
       ++i) {  // a version made elsewhere is simply the state here
    TensorDef& t = part.tensors[i];
    if (t.alias == Alias::version && !made[i]) t.previous = {};
  }
  remove_dead(part);
  return part;
}

}  // namespace hone
