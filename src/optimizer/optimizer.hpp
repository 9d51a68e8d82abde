// An optimizer is one constant record, like an op: the states that it keeps of a weight, the numbers that it
// takes at every step, and the nodes that update one weight. Pass, forecast, checkpoint, trainer and command
// line read the record. optimizer/table.cpp lists them all.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hone/optimizer.hpp"
#include "ir/op_record.hpp"

namespace hone {

// What an optimizer keeps of each weight, between steps and in checkpoints, as "NAME.WEIGHT".
struct OptimizerState {
  const char* name;
  DType dtype = DType::f32;
  Shape (*shape)(const Shape& weight) = nullptr;  // null: the weight's own
};

struct OptimizerScalar {
  const char* name;  // as in StepOptions; on the command line with '-' for '_'
  float standard;    // where none is given
  bool (*good)(float);
  const char* range;    // what is good, for a message
  const char* meaning;  // for the help; of a name that several optimizers have, the first one's is shown
};

class UpdateContext;

// A weight as an optimizer decides by.
struct TrainedWeight {
  const ParameterSpec& spec;
  bool table;  // rows of it are taken by ids
  bool head;   // a product with it makes logits of a loss
};

struct OptimizerRecord {
  const char* name;
  std::span<const OptimizerState> states;
  std::span<const OptimizerScalar> scalars;
  // The f32 input of a step that update nodes read: so many numbers, made of the scalars (in the record's
  // order) and of the step's number, counted from 1.
  int hyper_floats;
  void (*fill_hyper)(std::span<const float> scalars, std::int64_t step, std::span<float> hyper);
  // Emits the nodes of phase update that write the next version of one weight and of its states.
  void (*update)(UpdateContext&);
  // Which weights it is for, and who updates the others; null: all.
  bool (*takes)(const TrainedWeight&) = nullptr;
  const OptimizerRecord* others = nullptr;
  bool others_rate = false;           // may those have a learning rate of their own, StepOptions::adamw_lr?
  bool rounds_weights = false;        // may weights be bf16 alone, rounded by drawn numbers? Of `others` too
  bool reads_bf16_gradients = false;  // of such weights; of `others` too
  bool leaves_zeros = true;           // an element whose gradients are zero from the start stays what it is
  std::span<const OpRecord* const> ops{};  // of its own; the table-driven tests run through them
};

// What the ops of updates share: (weight, gradient, states.., hyper, clip_scale[, low: a copy for products])
// -> next weight, states[, low]. Sizes are those of the record's states where they are like the weight.
struct UpdateAttributes {
  bool decay = true;
  std::uint64_t stream = 0;  // of the numbers that a bf16 weight is rounded by
  template <class V>
  void fields(V&& v) const {
    v("decay", decay), v.operand("low");
    if (stream) v("stream", stream);
  }
};

// One weight, for OptimizerRecord::update.
class UpdateContext {
 public:
  UpdateContext(Program& program, const OptimizerRecord& record, TensorId weight, TensorId gradient,
                TensorId hyper, TensorId clip_scale, bool decay);

  TensorId weight() const { return weight_; }
  TensorId gradient() const { return gradient_; }  // summed over uses and micro-batches
  TensorId state(std::size_t i) const { return states_[i]; }
  TensorId hyper() const { return hyper_; }            // f32[hyper_floats]
  TensorId clip_scale() const { return clip_scale_; }  // f32[1]: what gradients are multiplied by
  bool decay() const { return decay_; }                // does weight decay apply?
  // Its copy for products, for a node that writes it on the way (as a next version, named here so that nobody
  // else does); none where there is none.
  TensorId take_low_copy();
  // The step's place in the run, for a weight in bf16 that is rounded by drawn numbers; none for others.
  TensorId step() const { return step_; }
  UpdateAttributes attributes() const;
  DType product_type() const;  // of that copy; f32 where there is none

  std::vector<TensorId> emit(const OpRecord& op, std::vector<TensorId> inputs, const Attributes& attributes);

  // For the pass: what is derived from the weight and was not written on the way is made anew.
  void renew_derived();

 private:
  TensorId low_copy() const;

  Program& p_;
  TensorId weight_, gradient_, hyper_, clip_scale_, step_{};
  bool decay_;
  std::vector<TensorId> states_, written_;
};

std::span<const OptimizerRecord* const> optimizer_table();
// Error(usage) for a name that is not there.
const OptimizerRecord& optimizer_record(const std::string& name);

extern const OptimizerRecord adamw_optimizer, adamw8bit_optimizer, adafactor_optimizer, lion_optimizer,
    muon_optimizer, sgd_optimizer;

}  // namespace hone
