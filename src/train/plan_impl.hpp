// What a TrainPlan holds, for the rooms that run it.
#pragma once
#include <mutex>

#include "exec/job.hpp"
#include "hone/train.hpp"
#include "model/model_weights.hpp"
#include "train/step_program.hpp"

namespace hone {

// A micro-batch of some size and length: its program in the job, and the one that evaluates as many sequences
// (a rest of fewer has the evaluation of the whole one, which it fills in part).
struct MicroProgram {
  std::int64_t sequences;
  std::size_t train, evaluate;
  double runs;         // a step
  std::size_t bucket;  // of TrainPlanOptions::buckets; their number: the plan's whole length
  // of the nodes of `train`, the first that changes a weight; their number where none does
  std::size_t first_write = 0;
};

struct TrainPlan::Impl {
  Impl(Model m, TrainPlanOptions o, JobPlan j, std::vector<MicroProgram> programs)
      : model(std::move(m)), options(std::move(o)), job(std::move(j)), micro(std::move(programs)) {}

  Model model;
  TrainPlanOptions options;
  JobPlan job;
  std::size_t prepare = 0, norm = 1, update = 2;
  // Of the whole length, then of the buckets: the whole one, then a ragged rest where there is one.
  std::vector<MicroProgram> micro;
  FrozenWeights frozen;                             // of an adapted model: the job holds them elsewhere
  std::vector<Term> terms;                          // of the objective
  std::vector<ParameterSpec> specs;                 // the model's, in the types that weights are kept in
  std::vector<ParameterSpec> of_objective() const;  // the same of what is trained beside the model
  const OptimizerRecord* optimizer = nullptr;
  Forecast forecast;  // all but step_ms
  mutable std::once_flag timed;
  mutable Forecast with_time;
  double step_flops = 0;
};

}  // namespace hone
