#include "hone/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/float_mode.hpp"

namespace hone {
namespace {

// The share of the way from the end of warmup to the last step, in [0, 1].
double progress(std::int64_t step, std::int64_t warmup, std::int64_t steps) {
  return std::clamp(
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, steps - warmup)),
      0.0, 1.0);
}

float rising(float peak, std::int64_t step, std::int64_t warmup) {
  return peak * static_cast<float>(step + 1) / static_cast<float>(warmup + 1);
}

}  // namespace

float Cosine::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  if (step < warmup) return rising(peak, step, warmup);
  const double share = 0.5 * (1 + std::cos(std::numbers::pi * progress(step, warmup, steps)));
  return static_cast<float>(static_cast<double>(least) + share * static_cast<double>(peak - least));
}

float Linear::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  if (step < warmup) return rising(peak, step, warmup);
  return static_cast<float>(static_cast<double>(peak) -
                            progress(step, warmup, steps) * static_cast<double>(peak - least));
}

float Constant::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  return step < warmup ? rising(peak, step, warmup) : peak;
}

ScheduleKind schedule_from_name(const std::string& name) {
  if (name == "constant") return ScheduleKind::constant;
  if (name == "linear") return ScheduleKind::linear;
  if (name == "cosine") return ScheduleKind::cosine;
  throw Error(
      ErrorKind::usage,
      {.what = "unknown schedule", .expected = "constant, linear or cosine", .found = "'" + name + "'"});
}

}  // namespace hone
