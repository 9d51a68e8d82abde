#pragma once
#include <atomic>

#include "base/in_use.hpp"
#include "exec/job.hpp"
#include "store/weight_store.hpp"
#include "train/plan_impl.hpp"

namespace hone {

struct Trainer::Impl {
  explicit Impl(const TrainPlan& p);

  TrainPlan plan;
  Executor executor;
  std::int64_t steps = 0;

  // Of the step under way:
  bool computed = false;     // is there anything of a step to be read?
  std::int64_t samples = 0;  // sequences accumulated so far
  std::int64_t tokens = 0;
  std::int64_t counted = 0;  // what losses were divided by
  double loss_sum = 0;       // added in the order of positions, so that no split of the step changes it
  std::atomic<bool> busy{false};
  static constexpr const char *type = "Trainer", *noun = "trainer";
  std::string broken;  // why the weights are of no step; empty: all is well

  const TrainPlan::Impl& planned() const { return plan.impl(); }
  const MicroProgram& program_for(const BatchView& batch, std::size_t* index) const;
  void set_inputs(const BatchView& batch, std::size_t micro, std::int64_t step_tokens);
  void abandon_step();  // the next micro-batch is the first of a step again, and its sums begin anew
  // Is `name` in the plan's `keep`, and has something been kept? Error(usage) where not.
  void require_kept(const std::string& name) const;
  void require_whole() const;  // Error(failed) that says why the weights are of no step
  // Runs what writes weights or what is derived from them; if it throws, no step is possible any more.
  void run_writing(std::size_t program);
  void load_weights();
  void derive();  // bf16 copies from the f32 weights
  // Values of a weight as programs keep it.
  std::span<float> weight(const std::string& name) { return executor.view<float>(name); }
  WeightReader reader(std::vector<float>& buffer) const;
  [[noreturn]] void report_not_finite(const MicroProgram& program, double value, const char* what);
};

using Exclusive = InUse<Trainer::Impl>;

}  // namespace hone
