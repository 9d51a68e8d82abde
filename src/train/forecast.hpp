// What a plan says of memory and time, from its programs alone.
#pragma once
#include "train/plan_impl.hpp"

namespace hone {
Forecast forecast(const TrainPlan::Impl& plan);
double step_flops(const TrainPlan::Impl& plan);
}  // namespace hone
