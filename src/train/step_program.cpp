#include "train/step_program.hpp"

#include <map>

#include "hone/nearest.hpp"
#include "pass/pipeline.hpp"
#include "store/tensor_train.hpp"

namespace hone {
namespace {

[[noreturn]] void refuse_unknown(const Forward& forward, const std::string& name) {
  std::vector<std::string> known;
  for (const ParameterSpec& spec : forward.program.parameters()) known.push_back(spec.name);
  for (const auto& activation : forward.activations) known.push_back(activation.first);
  throw Error(ErrorKind::usage, {.what = "nothing to keep by the name '" + name + "'",
                                 .where = "TrainPlanOptions::keep",
                                 .expected = "the name of a weight or of an activation",
                                 .hint = "the nearest is '" + nearest(name, known) + "'"});
}

std::map<std::string, TensorId> find_kept(const Forward& forward, const std::vector<std::string>& names) {
  std::map<std::string, TensorId> kept;
  for (const std::string& name : names) {
    const auto found = forward.activations.find(name);
    if (found == forward.activations.end()) refuse_unknown(forward, name);
    kept.insert(*found);
  }
  return kept;
}

// A mistyped size would leave the network at the length that it has without.
void check_sizes(const Forward& forward, const StepProgramOptions& o) {
  for (const auto& [name, size] : o.sizes) {
    if (forward.asked_sizes.contains(name)) continue;
    const std::vector<std::string> known(forward.asked_sizes.begin(), forward.asked_sizes.end());
    throw Error(ErrorKind::usage, {.what = "the network asks for no size '" + name + "'",
                                   .where = "TrainPlanOptions::sizes",
                                   .hint = known.empty() ? "it asks for none"
                                                         : "the nearest is '" + nearest(name, known) + "'"});
  }
}

const Objective& objective_of(const Model& model, const StepProgramOptions& options) {
  return options.objective ? options.objective : model.impl().objective;
}

}  // namespace

Program write_step_program(const Model& model, const StepProgramOptions& o) {
  Forward forward = model.impl().write(
      objective_of(model, o), {.batch = o.micro_batch, .seq = o.seq, .training = true, .sizes = o.sizes});
  check_sizes(forward, o);
  const PipelineOptions options{.use = PipelineOptions::Use::train,
                                .products = o.products,
                                .stored = model.impl().store.stored_types(),
                                .batch = o.batch,
                                .longest = o.longest,
                                .keep = find_kept(forward, o.keep),
                                .update = {.optimizer = o.optimizer, .decay_all = o.decay_all},
                                .loss_rows = o.loss_rows,
                                .cast_at_use = o.cast_at_use,
                                .update_in_backward = o.update_in_backward,
                                .bf16_weights = o.bf16_weights,
                                .keep_zeros = o.keep_zeros,
                                .rounded = o.rounded};
  run_pipeline(forward.program, options);
  return std::move(forward.program);
}

Program write_evaluation_program(const Model& model, const StepProgramOptions& o,
                                 const std::vector<std::string>& outputs) {
  Forward forward = model.impl().write(objective_of(model, o),
                                       {.batch = o.micro_batch, .seq = o.seq, .sizes = o.sizes}, outputs);
  run_pipeline(forward.program,
               {.use = PipelineOptions::Use::evaluate,
                .products = o.products,
                .stored = model.impl().store.stored_types(),
                .cores = o.stored_only ? core_indices(model.impl().store.trees()) : CoreIndices(),
                .int8 = o.int8,
                .hits = o.hits,
                .loss_rows = o.loss_rows,
                .stored_only = o.stored_only,
                .cast_at_use = o.cast_at_use,
                .bf16_weights = o.bf16_weights,
                .rounded = o.rounded});
  return std::move(forward.program);
}

std::vector<Term> terms_of(const Program& p) {
  std::vector<Term> terms;
  for (const Output& output : p.outputs)
    for (const Node& node : p.nodes) {
      if (!node.op->loss || p.root(node.outputs[0]) != p.root(output.id)) continue;
      const InputInfo& scale = p[node.inputs[*node.op->find_input("scale")]].input;
      terms.push_back({output.name, scale.weight, scale.counts});
      break;
    }
  return terms;
}

}  // namespace hone
