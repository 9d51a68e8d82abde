// What compare() runs, as plans: for who forecasts its memory.
#pragma once
#include "exec/job.hpp"
#include "hone/compare.hpp"

namespace hone {

struct ComparedJobs {
  JobPlan before, after;
};
ComparedJobs compared_jobs(const Model& before, const Model& after, const Text& text,
                           const CompareOptions& options);

}  // namespace hone
