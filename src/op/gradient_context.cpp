#include "op/gradient_context.hpp"

#include <algorithm>
#include <stdexcept>

#include "op/common.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

std::size_t index(TensorId id) { return static_cast<std::size_t>(id.value); }

}  // namespace

std::string gradient_name(const std::string& parameter, std::size_t use) {
  return "grad." + parameter + (use == 0 ? "" : "." + std::to_string(use + 1));
}

GradientContext::GradientContext(Program& program) : p_(program), forward_(program.nodes.size()) {
  for (std::size_t i = 0; i < p_.tensors.size(); ++i)
    if (p_.tensors[i].alias == Alias::view)
      views_[p_.tensors[i].base.value].push_back({static_cast<std::int32_t>(i)});
  find_what_is_wanted();
  add_sums();
  grow();
}

void GradientContext::find_what_is_wanted() {
  wants_.assign(p_.tensors.size(), false);
  for (std::size_t i = 0; i < p_.tensors.size(); ++i)
    wants_[i] = p_.tensors[i].role == Role::parameter && p_.tensors[i].parameter->trained;
  for (std::size_t n = 0; n < forward_; ++n) {
    const Node& node = p_.nodes[n];
    bool any = false;
    for (const TensorId id : node.inputs) {
      if (!id) continue;
      if (p_[id].alias == Alias::view) wants_[index(id)] = wants_[index(p_[id].base)];
      any = any || wants_[index(id)];
    }
    for (const TensorId id : node.outputs) wants_[index(id)] = any && node.op->gradient != nullptr;
  }
}

TensorId GradientContext::parameter_of(TensorId id) const {
  if (!id || p_[id].role == Role::parameter) return id;
  return p_[id].purpose == Purpose::derived ? p_.find(p_[id].of) : TensorId{};
}

namespace {

// A sum that nodes share, each of which adds to other rows of it; and the rows that have a node so far.
struct SharedSum {
  TensorId sum;
  std::vector<RowRange> taken{};
  bool free(RowRange rows) const {
    return std::ranges::none_of(
        taken, [&](const RowRange& t) { return rows.first < t.end() && t.first < rows.end(); });
  }
};

// What no node adds to would keep what an earlier step left there.
void require_all_rows(const Program& p, const SharedSum& shared) {
  std::int64_t count = 0;
  for (const RowRange& rows : shared.taken) count += rows.rows;
  const TensorDef& sum = p[shared.sum];
  if (count != sum.type.shape[0])
    throw Error(ErrorKind::input, {.what = "some rows of a weight are used, and others not",
                                   .where = sum.of,
                                   .expected = std::to_string(sum.type.shape[0]) + " rows",
                                   .found = std::to_string(count)});
}

}  // namespace

// A sum for each use of a parameter by an op that has a gradient for it; uses of other rows share one.
void GradientContext::add_sums() {
  std::map<std::int32_t, std::size_t> count;  // uses of each parameter so far
  std::map<std::int32_t, SharedSum> shared;
  const auto add_sum = [&](TensorId parameter) {
    const std::string& of = p_[parameter].name;
    return p_.add({.name = gradient_name(of, count[parameter.value]++),
                   .type = {p_[parameter].type.shape, DType::f32},
                   .role = Role::state,
                   .lifetime = Lifetime::step,
                   .purpose = Purpose::gradient,
                   .of = of});
  };
  const auto share_sum = [&](TensorId parameter, RowRange rows) {
    SharedSum& s = shared[parameter.value];
    if (s.sum && !s.free(rows)) {
      require_all_rows(p_, s);
      s = {};
    }
    if (!s.sum) s.sum = add_sum(parameter);
    s.taken.push_back(rows);
    return s.sum;
  };
  for (std::size_t n = 0; n < forward_; ++n) {
    const OpRecord& op = *p_.nodes[n].op;
    const RowRange rows = op.weight_rows ? op.weight_rows(p_.nodes[n].attributes) : RowRange{};
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      const TensorId parameter = op.inputs[i].trains ? parameter_of(p_.nodes[n].inputs[i]) : TensorId{};
      if (parameter) sums_[{n, i}] = rows ? share_sum(parameter, rows) : add_sum(parameter);
    }
  }
  for (const auto& each : shared) require_all_rows(p_, each.second);
}

void GradientContext::differentiate(std::size_t n) {
  node_ = p_.nodes[n];
  node_index_ = n;
  if (node_.op->gradient && node_.phase == Phase::micro) node_.op->gradient(*this);
}

void GradientContext::grow() {
  wants_.resize(p_.tensors.size(), false);
  gradients_.resize(p_.tensors.size());
}

TensorId GradientContext::gradient(std::size_t i) { return gradient_of(node_.outputs[i]); }

TensorId GradientContext::gradient_of(TensorId id) {
  const TensorId from_views = gather_views(id);
  const TensorId own = gradients_[index(id)];
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
    TensorId g = gradients_[index(view)];
    if (!g) continue;
    if (p_[g].alias != Alias::none)  // already a part of something: two parts of a sum share its gradient
      g = emit(op::cast, {g}, op::TypeAttributes{p_[g].type.dtype}, p_[view].name)[0];
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
  return emit(op, std::move(inputs), attributes, node_.name);
}

std::vector<TensorId> GradientContext::emit(const OpRecord& op, std::vector<TensorId> inputs,
                                            const Attributes& attributes, const std::string& name) {
  auto outputs = hone::emit(p_, op, std::move(inputs), attributes, name);
  p_.nodes.back().scope = node_.scope;
  p_.nodes.back().backward = true;
  grow();
  return outputs;
}

TensorId GradientContext::add(TensorId a, TensorId b, const std::string& name) {
  return emit(op::add, {a, b}, op::TypeAttributes{p_[a].type.dtype}, name)[0];
}

void GradientContext::refuse_parameter() const {
  std::string trained;
  for (const OpRecord* record : op::table())
    for (const InputRecord& input : record->inputs)
      if (input.trains && !trained.ends_with(record->name))
        trained += (trained.empty() ? "" : ", ") + std::string(record->name);
  throw Error(ErrorKind::input, {.what = "a parameter cannot be trained through this op",
                                 .where = node_.name,
                                 .expected = "one of " + trained + ", or a frozen parameter",
                                 .found = node_.op->name});
}

void GradientContext::set(std::size_t i, TensorId value) {
  if (p_[node_.inputs[i]].role == Role::parameter) refuse_parameter();
  const TensorId before = gradients_[index(node_.inputs[i])];
  const TensorId sum = before ? add(before, value, node_.name) : value;
  gradients_[index(node_.inputs[i])] = sum;
}

TensorId GradientContext::sum(std::size_t i) { return p_.newest(sums_.at({node_index_, i})); }

TensorId GradientContext::step() {
  const TensorId id = op::step_input(p_);
  grow();
  return id;
}

}  // namespace hone
