// The one program of a training step, from an architecture through the passes, and its cut into phases.
#pragma once
#include <vector>

#include "op/builder_state.hpp"

namespace hone {

struct StepProgramOptions {
  std::int64_t micro_batch = 1, seq = 1;
  std::int64_t batch = 1;  // of the whole step
  bool low_precision = false;
  bool decay_all = false;           // weight decay on biases and norms too
  std::vector<std::string> keep{};  // names of activations that outlive the step
};

// Forward, loss, backward and update in one program. Inputs: tokens, positions, labels, loss_scale, step,
// hyper, clip. Outputs: the losses of the micro-batch's positions f32[B,T]; the gradients' norm.
Program write_step_program(const ArchitectureFunction& architecture, const StepProgramOptions& options);

// Forward and loss without dropout. With `logits` they are an output too (and exist whole).
Program write_evaluation_program(const ArchitectureFunction& architecture, const StepProgramOptions& options,
                                 bool logits = false);

// The losses are what a cross_entropy leaves, in programs made here.
TensorId losses_of(const Program& program);

}  // namespace hone
