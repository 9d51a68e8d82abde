// What follows the micro-batches of a step: whole gradients, their norm, the update.
#include <map>
#include <set>

#include "op/common.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

std::vector<TensorId> trained_parameters(const Program& p) {
  std::vector<TensorId> ids;
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    const TensorDef& t = p.tensors[i];
    if (t.role == Role::parameter && t.alias == Alias::none && t.parameter->trained)
      ids.push_back({static_cast<std::int32_t>(i)});
  }
  return ids;
}

// The newest version of the first use's sum, to which the others were joined; none where there is no
// gradient.
TensorId whole_gradient(const Program& p, const TensorDef& parameter) {
  const auto uses = p.states(Purpose::gradient, parameter.name);
  return uses.empty() ? TensorId{} : p.newest(uses.front());
}

// The weight that a tensor is, or is derived from; empty for anything else.
const std::string& weight_of(const Program& p, TensorId id) {
  static const std::string none;
  const TensorDef& t = p[p.root(id)];
  if (t.role == Role::parameter) return t.name;
  return t.purpose == Purpose::derived ? t.of : none;
}

// Weights by what they are used for: rows taken by ids; and products whose results are logits.
struct Uses {
  explicit Uses(const Program& p) {
    std::set<std::int32_t> logits;
    for (const Node& node : p.nodes)
      if (node.op->loss && node.op->of_logits) logits.insert(p.root(node.inputs[0]).value);
    for (const Node& node : p.nodes) {
      if (node.phase != Phase::micro || node.backward) continue;
      if (node.op == &op::embedding) tables.insert(weight_of(p, node.inputs[op::EmbeddingInputs::table]));
      if (node.op == &op::linear && logits.contains(p.root(node.outputs[0]).value))
        heads.insert(weight_of(p, node.inputs[op::LinearInputs::weight]));
    }
  }
  std::set<std::string> tables, heads;
};

TensorId add_input(Program& p, const std::string& name, std::int64_t floats, Meaning meaning) {
  return p.add({.name = name,
                .type = op::f32({floats}),
                .role = Role::input,
                .input = {.meaning = meaning, .once_a_step = true}});
}

}  // namespace

void join_gradients(Program& p) {
  for (const TensorId id : trained_parameters(p)) {
    const std::string parameter = p[id].name;
    const auto uses = p.states(Purpose::gradient, parameter), rows = p.states(Purpose::rows, parameter);
    if (uses.empty()) continue;
    TensorId gradient = p.newest(uses[0]);
    for (std::size_t use = 1; use < uses.size(); ++use)
      gradient = emit(p, op::accumulate, {gradient, p.newest(uses[use])}, {}, parameter, Phase::norm)[0];
    // In pairs: the ids, and the rows that belong to them.
    for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
      const bool ids_first = p[rows[i]].type.dtype == DType::i32;
      const TensorId ids = p.newest(rows[ids_first ? i : i + 1]),
                     values = p.newest(rows[ids_first ? i + 1 : i]);
      gradient = emit(p, op::add_rows, {values, ids, gradient}, {}, parameter, Phase::norm)[0];
    }
  }
}

void append_norm(Program& p, bool scaled) {
  std::vector<TensorId> inputs{add_input(p, input::clip, 1, Meaning::clip),
                               scaled ? add_input(p, input::scaled_by, 1, Meaning::scaled_by) : TensorId{}};
  for (const TensorId id : trained_parameters(p))
    if (const TensorId gradient = whole_gradient(p, p[id])) inputs.push_back(gradient);
  const auto made = emit(p, op::gradient_norm, inputs, {}, "clip", Phase::norm);
  const auto share = [&](TensorId id, const char* name) {  // the update, or the loop, reads it later
    p[id].name = name;
    p[id].role = Role::state;
    p[id].purpose = Purpose::scalar;
  };
  share(made[0], grad_norm_name);
  share(made[1], clip_scale_name);
}

void append_update(Program& p, const UpdateOptions& options) {
  const TensorId clip_scale = p.find(clip_scale_name);
  std::map<const OptimizerRecord*, TensorId> hypers;
  const Uses uses(p);
  for (const TensorId id : trained_parameters(p)) {
    const TensorId gradient = whole_gradient(p, p[id]);
    if (!gradient) continue;
    const ParameterSpec& spec = *p[id].parameter;
    const OptimizerRecord* record = options.optimizer;
    const TrainedWeight weight{spec, uses.tables.contains(spec.name), uses.heads.contains(spec.name)};
    while (record->takes && !record->takes(weight)) record = record->others;
    TensorId& hyper = hypers[record];
    if (!hyper)
      hyper =
          add_input(p, hyper_input_name(*options.optimizer, *record), record->hyper_floats, Meaning::hyper);
    UpdateContext context(p, *record, id, gradient, hyper, clip_scale, options.decay_all || spec.decay);
    record->update(context);
    context.renew_derived();
  }
}

std::string hyper_input_name(const OptimizerRecord& chosen, const OptimizerRecord& record) {
  return std::string(input::hyper) + (&chosen == &record ? "" : std::string(".") + record.name);
}

}  // namespace hone
