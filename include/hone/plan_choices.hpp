// What a run would need and take if it were planned otherwise: with each technique, and without.
//
//   const hone::TrainPlan plan(hone::preset("gpt2"), {.batch = 4, .seq = 256});
//   for (const hone::PlanChoice& c : hone::plan_choices(plan))
//     std::printf("%-30s %6ld MiB %6.0f ms\n", c.what.c_str(), long(c.peak_bytes >> 20), c.step_ms);
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/train.hpp"

namespace hone {

// The parts add up to peak_bytes. Inputs, constants and what is kept for the caller count as activations.
struct PlanChoice {
  std::string what;          // "as asked", "activations computed again", ...
  std::string options;       // what is typed for it besides; empty: nothing
  bool same_numbers = true;  // is it the same training, bit for bit?
  std::int64_t parameters_bytes = 0, gradients_bytes = 0, optimizer_bytes = 0, activations_bytes = 0,
               scratch_bytes = 0, outside_bytes = 0, peak_bytes = 0;
  double step_ms = 0;
};

// The plan itself first, then one technique at a time where it applies, then the smallest that is the same
// training. Times are measured as TrainPlan::forecast's are.
HONE_API std::vector<PlanChoice> plan_choices(const TrainPlan& plan);

// What to add to the options of `plan` on a machine with so much memory to give (0: what is free here):
// nothing where the plan fits, a budget where it has to be made to fit, what has to be allowed where that
// changes results, and bf16 where this CPU is faster with it. `fits`: is there such a plan at all?
struct Recommendation {
  bool fits = true;
  std::string options;
};
HONE_API Recommendation recommended(const TrainPlan& plan, const std::vector<PlanChoice>& choices,
                                    std::int64_t memory_bytes = 0);

}  // namespace hone
