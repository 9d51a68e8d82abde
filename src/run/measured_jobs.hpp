// What evaluate() of a text and compare() run, as plans: for who forecasts their memory.
#pragma once
#include "exec/job.hpp"
#include "hone/compare.hpp"
#include "hone/eval.hpp"

namespace hone {

JobPlan evaluated_job(const Model& model, const Text& text, const EvalOptions& options);

struct ComparedJobs {
  JobPlan before, after;
};
ComparedJobs compared_jobs(const Model& before, const Model& after, const Text& text,
                           const CompareOptions& options);

}  // namespace hone
