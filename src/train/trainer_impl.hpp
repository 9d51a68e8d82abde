#pragma once
#include <atomic>
#include <functional>

#include "base/in_use.hpp"
#include "exec/feed.hpp"
#include "exec/job.hpp"
#include "model/model_impl.hpp"
#include "store/weight_store.hpp"
#include "train/loss_scaler.hpp"
#include "train/plan_impl.hpp"
#include "train/saver.hpp"

namespace hone {

struct Trainer::Impl {
  explicit Impl(const TrainPlan& p);

  TrainPlan plan;
  ModelWeights frozen;  // of an adapted model
  Executor executor;
  std::int64_t steps = 0;
  LossScaler scaler;

  // Of the step under way:
  bool computed = false;              // is there anything of a step to be read?
  bool joined = false;                // are the gradients whole: the sums of all uses added?
  std::int64_t samples = 0;           // accumulated so far
  std::int64_t tokens = 0;            // labels that count
  std::size_t last_program = 0;       // of a micro-batch
  LabelCounts counted;                // what losses were divided by
  float scaled_by = 1;                // and multiplied by
  std::optional<NotFinite> overflow;  // of a loss, in f16
  std::vector<double>
      sums;  // of each term's losses, in the order of positions, so that no split changes them
  std::atomic<bool> busy{false};
  static constexpr const char *type = "Trainer", *noun = "trainer";
  std::string broken;  // why the weights are of no step; empty: all is well
  // By program: does it write what a checkpoint holds?
  std::vector<bool> writes_saved;

  const TrainPlan::Impl& planned() const { return plan.impl(); }
  const MicroProgram& program_for(const Samples& batch) const;  // without buckets
  // The weighted sum of the terms' means.
  double loss(const std::vector<double>& term_sums, const LabelCounts& counts) const;
  // Of the terms an evaluation may lack some: Builder::training().
  bool has_term(std::size_t program, const Term& term) const;
  // Adds the losses that a program left to each term's sum; returns all that it added.
  double add_losses(std::size_t program, std::vector<double>& term_sums) const;
  void abandon_step();  // the next micro-batch is the first of a step again, and its sums begin anew
  // Is `name` in the plan's `keep`, and has something been kept? Error(usage) where not.
  void require_kept(const std::string& name) const;
  // Error(usage) in the middle of a step whose backward is not through: `what` would write over it.
  void require_no_half_backward(const char* what) const;
  void require_whole() const;  // Error(failed) that says why the weights are of no step
  // Runs a program of the plan; one that writes what a save under way still reads waits for that.
  bool run(std::size_t program, const std::stop_token& stop = {});
  // Runs what writes weights or what is derived from them; if it throws, no step is possible any more.
  void run_writing(std::size_t program);
  // Runs `read` while the gradients are whole, in the middle of a step too.
  void with_whole_gradients(const std::function<void()>& read);
  // The state that holds the whole gradient of a weight, then; Error(usage) where the weight is not trained.
  const std::string& gradient_state(const std::string& weight) const;
  void load_weights();
  void derive();  // bf16 copies from the f32 weights
  // A weight's specification, in the type that it is kept in; Error(usage) where there is none of that name.
  const ParameterSpec& spec(const std::string& weight) const;
  std::span<const std::byte> bytes(const std::string& name) const;  // of a shared tensor
  // The weights that it saves, in the types that they are kept in: all, or of an adapted model the adapter's.
  std::vector<ParameterSpec> saved() const { return planned().model.impl().saved(planned().specs); }
  // The same as files have them: a base that is only read as it lies in its own, sparse or in few bits.
  std::vector<ParameterSpec> filed() const;
  // Those of them that it holds itself, and a checkpoint brings back: not a base that is only read.
  std::vector<ParameterSpec> own() const;
  WeightReader reader(TurnedWeight& turned) const;
  // Are weights updated inside of the (only) micro-batch's program?
  bool updates_in_backward() const;
  bool scales_losses() const { return planned().options.precision == Precision::fp16; }
  std::int64_t updates() const { return steps - scaler.state().skipped; }
  op::StepInfo step_info() const;        // of the next micro-batch
  void begin_sums(std::size_t program);  // the micro-batch that was fed counts as the step's first
  void restore_scaling(const std::optional<LossScaler::State>& state);  // of a checkpoint; none: as at first
  // What overflowed first in the step's micro-batches; without its batch, in the last of them. The sums of
  // gradients are lost.
  std::optional<NotFinite> find_not_finite(const Samples* batch);
  // The step is over without an update; Error(failed) where there were too many of that kind.
  StepResult skip_step(double norm, const Samples* batch);
  [[noreturn]] void report_not_finite(std::optional<NotFinite> first, double value, const char* what);

  Saver saver;  // last, so that it ends first: it reads all of the above
};

using Exclusive = InUse<Trainer::Impl>;

}  // namespace hone
