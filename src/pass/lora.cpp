#include "pass/lora.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.hpp"
#include "ir/rewrite.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"
#include "pass/beside.hpp"

namespace hone {
namespace {

using In = op::LinearInputs;

constexpr std::string_view weight_suffix = ".weight";
constexpr const char* adapter_prefix = "base_model.model.";

std::set<std::string> tables(const Program& p) {
  std::set<std::string> names;
  for (const Node& node : p.nodes)
    if (node.op == &op::embedding) names.insert(p[node.inputs[op::EmbeddingInputs::table]].name);
  return names;
}

class Adapting {
 public:
  Adapting(Program& p, float dropout) : p_(p), edit_(p), dropout_(dropout) {}

  void add(std::size_t n, const LoraModule& module) {
    const Node base = edit_[n];
    const TensorId x = base.inputs[In::x], y = base.outputs[0];
    const std::int64_t in = p_[base.inputs[In::weight]].type.shape[1], out = p_[y].type.shape.last();
    const TensorId a = parameter(lora_a_name(module.name), {module.rank, in},
                                 uniform(1 / std::sqrt(static_cast<float>(in))));
    const TensorId b = parameter(lora_b_name(module.name), {out, module.rank}, zeros());
    add_beside(p_, edit_, n,
               {.x = dropped(x, n),
                .v = a,
                .u = b,
                .scale = module.scale,
                .v_name = ".lora_A",
                .scale_name = ".lora_scale",
                .u_name = ".lora_B",
                .sum_name = ".lora"});
  }
  void finish() { edit_.finish(); }

 private:
  TensorId parameter(const std::string& name, const Shape& shape, Init init) {
    TensorId& id = parameters_[name];
    if (!id) id = add_parameter(p_, {.name = name, .shape = shape, .init = init});
    return id;
  }
  TensorId dropped(TensorId x, std::size_t n) {
    if (dropout_ == 0) return x;
    const std::string name = edit_[n].name + ".lora_dropout", scope = edit_[n].scope;
    const op::DropoutAttributes attributes{.p = dropout_, .stream = stream_key(name, 0)};
    const TensorId made = edit_.insert(n + 1, op::dropout, {x, op::step_input(p_)}, attributes, name)[0];
    edit_.inserted().scope = scope;
    return made;
  }

  Program& p_;
  Rewrite edit_;
  float dropout_;
  std::map<std::string, TensorId> parameters_;  // a module that is used twice has one adapter
};

}  // namespace

std::string module_of(const Program& p, const Node& node) {
  if (node.op != &op::linear || node.attributes.as<op::LinearAttributes>().rows) return {};
  const TensorDef& weight = p[node.inputs[In::weight]];
  if (weight.role != Role::parameter || !weight.name.ends_with(weight_suffix)) return {};
  return weight.name.substr(0, weight.name.size() - weight_suffix.size());
}

void freeze(Program& p, const std::set<std::string>& but) {
  for (TensorDef& t : p.tensors) {
    if (t.role != Role::parameter || t.alias != Alias::none || but.contains(t.name)) continue;
    ParameterSpec spec = *t.parameter;
    spec.trained = false;
    t.parameter = std::make_shared<const ParameterSpec>(std::move(spec));
  }
}

std::string lora_a_name(const std::string& module) { return adapter_prefix + module + ".lora_A.weight"; }
std::string lora_b_name(const std::string& module) { return adapter_prefix + module + ".lora_B.weight"; }

std::vector<LinearModule> linear_modules(const Program& p) {
  std::vector<LinearModule> modules;
  const std::set<std::string> shared = tables(p);
  for (const Node& node : p.nodes) {
    if (node.op != &op::linear) continue;
    const std::string name = module_of(p, node);
    const TensorDef& weight = p[node.inputs[In::weight]];
    if (name.empty() || shared.contains(weight.name)) continue;
    const bool head = std::ranges::any_of(
        p.outputs, [&](const Output& o) { return p.root(o.id) == p.root(node.outputs[0]); });
    const auto known = std::ranges::find(modules, name, &LinearModule::name);
    if (known != modules.end())
      known->head = known->head || head;
    else
      modules.push_back(
          {name, weight.type.shape[1], weight.type.shape[0], weight.parameter->transposed, head});
  }
  return modules;
}

void add_lora(Program& p, const std::vector<LoraModule>& modules, float dropout) {
  freeze(p, {});
  std::map<std::string, const LoraModule*> wanted;
  for (const LoraModule& module : modules) wanted[module.name] = &module;
  Adapting adapting(p, dropout);
  const std::size_t nodes = p.nodes.size();
  for (std::size_t n = 0; n < nodes; ++n)
    if (const auto found = wanted.find(module_of(p, p.nodes[n])); found != wanted.end())
      adapting.add(n, *found->second);
  adapting.finish();
}

}  // namespace hone
