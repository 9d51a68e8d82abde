#include <stdexcept>

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {

std::string gradient_name(const std::string& parameter, std::size_t use) {
  return "grad." + parameter + (use == 0 ? "" : "." + std::to_string(use + 1));
}

TensorId GradientContext::parameter_of(TensorId id) const {
  while (p_[id].role != Role::parameter) {
    const auto producer = producer_[static_cast<std::size_t>(id.value)];
    if (producer < 0 || p_.nodes[static_cast<std::size_t>(producer)].op != &op::cast) return {};
    id = p_.nodes[static_cast<std::size_t>(producer)].inputs[0];
  }
  return id;
}

TensorId GradientContext::gradient(std::size_t i) { return gradient_of(node_.outputs[i]); }

TensorId GradientContext::gradient_of(TensorId id) {
  const TensorId from_views = gather_views(id);
  const TensorId own = gradients_[static_cast<std::size_t>(id.value)];
  if (from_views && own) return add(own, from_views, p_[id].name);
  return own ? own : from_views;
}

// The gradients of a tensor's views become views of one gradient tensor: whoever made them writes there.
TensorId GradientContext::gather_views(TensorId base) {
  const auto found = views_.find(base.value);
  if (found == views_.end()) return {};
  const TensorDef of = p_[base];
  std::int64_t covered = 0;
  TensorId whole;
  for (const TensorId view : found->second) {
    TensorId g = gradients_[static_cast<std::size_t>(view.value)];
    if (!g) continue;
    if (p_[g].alias != Alias::none)  // already a part of something: two parts of a sum share its gradient
      g = hone::emit(p_, op::cast, {g}, op::TypeAttributes{p_[g].type.dtype}, p_[view].name)[0];
    if (!whole) whole = p_.add({.name = of.name + ":gradient", .type = of.type});
    TensorDef& part = p_[g];
    if (part.alias != Alias::none || part.type != p_[view].type)
      throw std::logic_error("the gradient of view '" + p_[view].name + "' cannot be written in place");
    part.alias = Alias::view;
    part.base = whole;
    part.offset = p_[view].offset - of.offset;
    part.strides = p_[view].strides;
    covered += part.type.shape.elements();
  }
  if (whole && covered != of.type.shape.elements())
    throw Error(ErrorKind::input,
                {.what = "parts of a split tensor are not used, or used twice",
                 .where = of.name,
                 .expected = std::to_string(of.type.shape.elements()) + " elements with a gradient",
                 .found = std::to_string(covered)});
  return whole;
}

std::vector<TensorId> GradientContext::emit(const OpRecord& op, std::vector<TensorId> inputs,
                                            const Attributes& attributes) {
  auto outputs = hone::emit(p_, op, std::move(inputs), attributes, node_.name);
  gradients_.resize(p_.tensors.size());
  return outputs;
}

TensorId GradientContext::add(TensorId a, TensorId b, const std::string& name) {
  const auto sum = hone::emit(p_, op::add, {a, b}, op::TypeAttributes{p_[a].type.dtype}, name)[0];
  gradients_.resize(p_.tensors.size());
  return sum;
}

void GradientContext::set(std::size_t i, TensorId value) {
  TensorId& there = gradients_[static_cast<std::size_t>(node_.inputs[i].value)];
  if (p_[node_.inputs[i]].role == Role::parameter)
    throw Error(ErrorKind::input, {.what = "a parameter cannot be trained through this op",
                                   .where = node_.name,
                                   .expected = "linear, embedding or layer_norm",
                                   .found = node_.op->name});
  const TensorId before = there;
  const TensorId sum = before ? add(before, value, node_.name) : value;
  gradients_[static_cast<std::size_t>(node_.inputs[i].value)] = sum;
}

GradientContext::Sum GradientContext::sum(std::size_t i) {
  const auto key = std::pair{parameter_of(node_.inputs[i]).value, node_index_};
  const Use& use = uses_.at(key);
  return {use.sum, use.begun};
}

void GradientContext::set_sum(std::size_t i, TensorId next) {
  uses_[{parameter_of(node_.inputs[i]).value, node_index_}] = {next, true};
}

TensorId GradientContext::step() {
  const TensorId id = op::step_input(p_);
  gradients_.resize(p_.tensors.size());
  return id;
}

void GradientContext::run() {
  const std::size_t forward = p_.nodes.size();
  producer_.assign(p_.tensors.size(), -1);
  wants_.assign(p_.tensors.size(), false);
  for (std::size_t i = 0; i < p_.tensors.size(); ++i) {
    wants_[i] = p_.tensors[i].role == Role::parameter;
    if (p_.tensors[i].alias == Alias::view)
      views_[p_.tensors[i].base.value].push_back({static_cast<std::int32_t>(i)});
  }
  std::map<std::int32_t, std::size_t> count;  // uses of each parameter so far
  for (std::size_t n = 0; n < forward; ++n) {
    const Node node = p_.nodes[n];
    bool any = false;
    for (const TensorId id : node.inputs) {
      const auto i = static_cast<std::size_t>(id.value);
      if (p_[id].alias == Alias::view) wants_[i] = wants_[static_cast<std::size_t>(p_[id].base.value)];
      any = any || wants_[i];
    }
    for (const TensorId id : node.outputs) {
      producer_[static_cast<std::size_t>(id.value)] = static_cast<std::int32_t>(n);
      wants_[static_cast<std::size_t>(id.value)] = any && node.op->gradient != nullptr;
    }
    if (node.op == &op::cast || !node.op->gradient) continue;
    for (const TensorId id : node.inputs) {
      const TensorId parameter = parameter_of(id);
      if (!parameter) continue;
      const std::size_t use = count[parameter.value]++;
      const TensorId sum = p_.add({.name = gradient_name(p_[parameter].name, use),
                                   .type = {p_[parameter].type.shape, DType::f32},
                                   .role = Role::state,
                                   .lifetime = Lifetime::step});
      uses_[{parameter.value, n}] = {sum, false};
    }
  }
  producer_.resize(p_.tensors.size(), -1);
  wants_.resize(p_.tensors.size(), false);
  gradients_.resize(p_.tensors.size());
  for (std::size_t n = forward; n-- > 0;) {
    node_ = p_.nodes[n];
    node_index_ = n;
    if (node_.op->gradient && node_.phase == Phase::micro) node_.op->gradient(*this);
  }
}

void differentiate(Program& program) { GradientContext(program).run(); }

}  // namespace hone
