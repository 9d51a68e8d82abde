#include "model/model_weights.hpp"

#include <algorithm>

#include "model/model_impl.hpp"
#include "pass/passes.hpp"

namespace hone {

void require_language_model(const Model& model) {
  if (model.vocab_size() > 0 && model.context() > 0) return;
  throw Error(ErrorKind::usage, {.what = "the network is no language model",
                                 .expected = "one with ModelOptions::vocab_size and context",
                                 .found = "neither tokens to read nor a context"});
}

std::set<std::string> weight_names(const Program& program) {
  std::set<std::string> names;
  for (const TensorDef& t : program.tensors)
    if (is_weight(t)) names.insert(t.name);
  return names;
}

ModelWeights::ModelWeights(const Model& model, std::span<const Program> whole, const JobPlan& job) {
  for (const auto& [name, shared] : job.shared()) {
    if (shared.tensor.role != Role::parameter || !job.holds(name)) continue;
    weights_.push_back(model.impl().store.hold(*shared.tensor.parameter));
    tensors_[name] = weights_.back()->bytes();
  }
  for (const Program& program : whole) {
    const Program prepare = cut(program, Phase::prepare);
    for (std::size_t n = 0; n < prepare.nodes.size(); ++n) derive(model, prepare, n, job.options());
  }
}

namespace {

// Does it make something of weights, none of which is trained?
bool is_frozen(const Program& p, const Node& node) {
  bool any = false, trained = false;
  for (const TensorId id : node.inputs) {
    if (!id || p[p.root(id)].role != Role::parameter) continue;
    any = true;
    trained = trained || p[p.root(id)].parameter->trained;
  }
  return any && !trained;
}

}  // namespace

FrozenWeights take_frozen(const Model& model, std::vector<Program>& programs, std::size_t prepare) {
  FrozenWeights frozen{.prepare = programs[prepare]};
  std::erase_if(frozen.prepare.nodes, [&](const Node& n) { return !is_frozen(programs[prepare], n); });
  std::erase_if(programs[prepare].nodes, [&](const Node& n) { return is_frozen(frozen.prepare, n); });
  remove_dead(frozen.prepare);
  remove_dead(programs[prepare]);
  for (const Program& program : programs)
    for (const TensorDef& t : program.tensors) {
      if (!is_weight(t)) continue;
      const ParameterSpec* spec = model.impl().find(t.of.empty() ? t.name : t.of);
      if (spec && !spec->trained) frozen.names.insert(t.name);
    }
  return frozen;
}

namespace {

// What a node makes of a weight, in words that are the same for the same.
std::string encoding_of(const Program& p, const Node& node, std::size_t output) {
  return std::string(node.op->name) + "{" + node.attributes.to_string() + "}." + std::to_string(output) +
         " " + to_string(p[node.outputs[output]].type);
}

// That node alone, as a program.
Program only(const Program& p, std::size_t node) {
  Program one = p;
  one.nodes = {p.nodes[node]};
  remove_dead(one);
  return one;
}

}  // namespace

void ModelWeights::derive(const Model& model, const Program& prepare, std::size_t n,
                          const ExecOptions& options) {
  const Node& node = prepare.nodes[n];
  const auto& impl = model.impl();
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const TensorDef& t = prepare[node.outputs[i]];
    const auto make = [&](const HeldWeight& made) {
      const Program program = only(prepare, n);
      const std::set<std::string> names = weight_names(program);
      HeldTensors held{{t.name, made.bytes()}};
      std::vector<std::shared_ptr<const HeldWeight>> read;
      for (const ParameterSpec& spec : program.parameters()) {
        read.push_back(impl.store.hold(spec));
        held[spec.name] = read.back()->bytes();
      }
      std::vector<std::shared_ptr<const HeldWeight>>
          others;  // further outputs, which are made again when asked for
      for (const TensorId id : program.nodes[0].outputs) {
        if (held.contains(program[id].name)) continue;
        others.push_back(std::make_shared<const HeldWeight>(program[id].type.bytes()));
        held[program[id].name] = others.back()->bytes();
      }
      Executor(JobPlan({program}, options, names), held).run(0);
      require_range(t.of, t.type.dtype, made.bytes());
      for (const ParameterSpec& spec : program.parameters()) impl.store.drop(spec);
    };
    weights_.push_back(impl.store.hold(t.of, encoding_of(prepare, node, i), t.type.bytes(), make));
    tensors_[t.name] = weights_.back()->bytes();
  }
}

}  // namespace hone
