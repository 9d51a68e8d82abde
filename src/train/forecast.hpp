// What a plan says of memory and time, from its programs alone.
#pragma once
#include "train/plan_impl.hpp"

namespace hone {

struct MachineLimits;

// A job's memory: arena, what lies outside it, and the parts by name. The time is left at 0.
Forecast forecast_memory(const JobPlan& job);
// A program's time, were every node at what this machine reaches in a short measurement, or at the speed of
// its memory, whichever takes longer.
double program_ms(const Program& program, const MachineLimits& limits);

double step_ms(const TrainPlan::Impl& plan);
double step_flops(const TrainPlan::Impl& plan);

}  // namespace hone
