// What a TrainPlan holds, for the rooms that run it.
#pragma once
#include "exec/job.hpp"
#include "hone/train.hpp"

namespace hone {

// A micro-batch of some size: its program in the job, and the one that evaluates as many sequences.
struct MicroProgram {
  std::int64_t sequences;
  std::size_t train, evaluate;
};

struct TrainPlan::Impl {
  Model model;
  TrainPlanOptions options;
  JobPlan job;
  std::size_t prepare, update;
  std::vector<MicroProgram> micro;  // the whole one, then a ragged rest where there is one
  Forecast forecast;
  double step_flops = 0;
};

}  // namespace hone
