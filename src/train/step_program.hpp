// The one program of a training step, from an architecture through the passes, and its cut into phases.
#pragma once
#include <vector>

#include "model/model_impl.hpp"
#include "optimizer/optimizer.hpp"
#include "pass/passes.hpp"
#include "pass/simulate_codes.hpp"

namespace hone {

struct StepProgramOptions {
  std::int64_t micro_batch = 1, seq = 1;
  std::int64_t batch = 1;           // of the whole step
  std::int64_t longest = 0;         // as PipelineOptions has it
  DType products = DType::f32;      // the type that they take
  bool decay_all = false;           // weight decay on biases and norms too
  std::vector<std::string> keep{};  // names of activations that outlive the step
  const OptimizerRecord* optimizer = &adamw_optimizer;
  Objective objective{};  // none: the model's own
  std::map<std::string, std::int64_t, std::less<>> sizes{};
  std::int64_t loss_rows = ChunkOptions{}.rows;  // as PipelineOptions has both
  bool cast_at_use = false;
  bool update_in_backward = false;
  bool bf16_weights = false;
  bool keep_zeros = false;
  RoundedWeights rounded{};  // as PipelineOptions has it
  bool stored_only = false;  // nothing is trained: all weights as their file has them
  bool int8 = false;         // evaluation: products in eight bits, as PipelineOptions has it
  bool hits = false;         // evaluation: which labels are predicted, as the outputs hits_name(TERM)
};

// Forward, losses, backward and update in one program. Its outputs: the losses of each term, by its name.
Program write_step_program(const Model& model, const StepProgramOptions& options);

// Forward and losses without dropout. The network's outputs that are named in `outputs` are outputs too (and
// exist whole).
Program write_evaluation_program(const Model& model, const StepProgramOptions& options,
                                 const std::vector<std::string>& outputs = {});

// A term of the objective, as a program has it: an output, and the input that holds weight over count.
struct Term {
  std::string name;
  float weight;
  std::string counts;  // the input of labels
};
std::vector<Term> terms_of(const Program& program);

}  // namespace hone
