// From options to a plan, and the ways to spend less memory for more time that change no bit.
#pragma once
#include <memory>
#include <vector>

#include "pass/recompute.hpp"
#include "train/plan_impl.hpp"

namespace hone {

struct PlanWays {
  std::int64_t loss_rows = ChunkOptions{}.rows;  // of a chunk of the loss
  bool cast_at_use = false;                      // copies of weights in low precision are not kept
};

// The programs of a job; of what is recomputed nothing is in them yet.
struct PlanPrograms {
  std::vector<Program> list;        // prepare, norm, update, then a pair for each size of micro-batch
  std::vector<MicroProgram> micro;  // first_write: make_plan finds it
  FrozenWeights frozen{};           // of an adapted model
};
// options: decided (TrainPlan::options).
PlanPrograms write_programs(const Model& model, const TrainPlanOptions& options, const PlanWays& ways);
std::shared_ptr<TrainPlan::Impl> make_plan(const Model& model, const TrainPlanOptions& options,
                                           PlanPrograms programs);
// As much made again as makes the workspace smallest.
std::shared_ptr<TrainPlan::Impl> smallest_plan(const Model& model, const TrainPlanOptions& options,
                                               const PlanWays& ways);
// How many sequences are computed at once where nobody says: products are at their best, and no more memory
// is taken than that needs.
std::int64_t usual_micro_batch(const TrainPlanOptions& options);

// The fastest plan whose forecast is within options.memory_bytes. `chosen`: are micro-batches the options'
// own, so that they stay? Error(budget) where nothing fits: the smallest that would, and what each choice
// needs.
std::shared_ptr<TrainPlan::Impl> plan_within(const Model& model, const TrainPlanOptions& options,
                                             bool chosen);

}  // namespace hone
