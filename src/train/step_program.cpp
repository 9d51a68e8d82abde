#include "train/step_program.hpp"

#include <map>

#include "hone/nearest.hpp"
#include "op/common.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"
#include "pass/passes.hpp"

namespace hone {
namespace {

[[noreturn]] void refuse_unknown(const Forward& forward, const std::string& name) {
  std::vector<std::string> known;
  for (const ParameterSpec& spec : forward.parameters) known.push_back(spec.name);
  for (const auto& activation : forward.activations) known.push_back(activation.first);
  throw Error(ErrorKind::usage, {.what = "nothing to keep by the name '" + name + "'",
                                 .where = "TrainPlanOptions::keep",
                                 .expected = "the name of a weight or of an activation",
                                 .hint = "the nearest is '" + nearest(name, known) + "'"});
}

// Appends the loss of the next token; the scale is one over the tokens of the whole step.
void append_loss(Program& p, TensorId logits) {
  const Shape& shape = p[logits].type.shape;
  const TensorId labels =
      p.add({.name = input::labels, .type = {{shape[0], shape[1]}, DType::i32}, .role = Role::input});
  const TensorId scale = p.add({.name = input::loss_scale, .type = op::f32({1}), .role = Role::input});
  const auto loss = emit(p, op::cross_entropy, {logits, labels, scale}, {}, "loss");
  p[loss[0]].name = "losses";
  p.outputs = {loss[0]};
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

// The pipeline: after each pass dead nodes go and the program is checked.
void settle(Program& p) {
  remove_dead(p);
  verify(p);
}

}  // namespace

Program write_step_program(const ArchitectureFunction& architecture, const StepProgramOptions& options) {
  Forward forward =
      write_forward(architecture, {.batch = options.micro_batch, .seq = options.seq, .training = true});
  std::map<std::string, bool> decays;
  for (const ParameterSpec& spec : forward.parameters) decays[spec.name] = spec.decay;
  const auto kept = find_kept(forward, options.keep);
  Program p = std::move(forward.program);
  append_loss(p, forward.logits);
  keep_activations(p, kept, options.batch), settle(p);
  if (options.low_precision) autocast(p), settle(p);
  differentiate(p), settle(p);
  keep_embedding_rows(p, options.batch), settle(p);
  fuse(p), settle(p);
  chunk_loss(p), settle(p);
  append_adamw(p, {.decays = [&](const std::string& name) { return options.decay_all || decays.at(name); }}),
      settle(p);
  return p;
}

Program write_evaluation_program(const ArchitectureFunction& architecture, const StepProgramOptions& options,
                                 bool logits) {
  Forward forward = write_forward(architecture, {.batch = options.micro_batch, .seq = options.seq});
  Program p = std::move(forward.program);
  append_loss(p, forward.logits);
  if (logits) p.outputs.push_back(forward.logits);
  if (options.low_precision) autocast(p), settle(p);
  fuse(p), settle(p);
  chunk_loss(p), settle(p);
  return p;
}

TensorId losses_of(const Program& p) { return p.outputs.at(0); }

}  // namespace hone
