#include "hone/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/float_mode.hpp"
#include "train/run_schedule.hpp"

namespace hone {
namespace {

// The share of the way from the first step at the peak, `warmup`, to the last step, in [0, 1].
double progress(std::int64_t step, std::int64_t warmup, std::int64_t steps) {
  warmup = std::max<std::int64_t>(0, warmup);
  const std::int64_t last = std::max(steps - 1, warmup + 1);  // a peak without a way down stays one
  return std::clamp(static_cast<double>(step - warmup) / static_cast<double>(last - warmup), 0.0, 1.0);
}

// lerp is exact at both ends: the last step has `least` itself.
float between(float peak, float least, double share) {
  return static_cast<float>(std::lerp(static_cast<double>(peak), static_cast<double>(least), share));
}

float rising(float peak, std::int64_t step, std::int64_t warmup) {
  return peak * static_cast<float>(step + 1) / static_cast<float>(static_cast<double>(warmup) + 1);
}

}  // namespace

double CubicSparsity::operator()(std::int64_t step) const {
  if (step >= end) return last;
  if (step <= start) return 0;
  const double rest = static_cast<double>(end - step) / static_cast<double>(end - start);
  return last * (1 - rest * rest * rest);
}

float Cosine::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  if (step < warmup) return rising(peak, step, warmup);
  return between(peak, least, 0.5 * (1 - std::cos(std::numbers::pi * progress(step, warmup, steps))));
}

float Linear::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  if (step < warmup) return rising(peak, step, warmup);
  return between(peak, least, progress(step, warmup, steps));
}

float Constant::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  return step < warmup ? rising(peak, step, warmup) : peak;
}

float WarmupStableDecay::operator()(std::int64_t step) const {
  const FloatModeGuard guard;
  if (step < warmup) return rising(peak, step, warmup);
  const std::int64_t falling = decay ? decay : std::max<std::int64_t>(1, steps / 5);
  return between(peak, least, std::sqrt(progress(step, std::max(warmup, steps - 1 - falling), steps)));
}

namespace {

// In the order of ScheduleKind. The numbers are those of the schedule's own struct, in its order.
constexpr ScheduleRecord records[] = {
    {.name = "constant",
     .rate =
         [](const ScheduleNumbers& n, std::int64_t step) {
           return Constant{n.peak, n.warmup}(step);
         },
     .falls = false},
    {.name = "linear",
     .rate =
         [](const ScheduleNumbers& n, std::int64_t step) {
           return Linear{n.peak, n.warmup, n.steps, n.least}(step);
         }},
    {.name = "cosine",
     .rate =
         [](const ScheduleNumbers& n, std::int64_t step) {
           return Cosine{n.peak, n.warmup, n.steps, n.least}(step);
         }},
    {.name = "wsd",
     .rate =
         [](const ScheduleNumbers& n, std::int64_t step) {
           return WarmupStableDecay{n.peak, n.warmup, n.steps, n.least, n.decay}(step);
         },
     .has_decay = true}};

}  // namespace

const ScheduleRecord& schedule_record(ScheduleKind schedule) {
  return records[static_cast<std::size_t>(schedule)];
}

std::vector<std::string> schedules() {
  std::vector<std::string> names;
  for (const ScheduleRecord& record : records) names.emplace_back(record.name);
  return names;
}

const char* name(ScheduleKind schedule) { return schedule_record(schedule).name; }

float learning_rate(ScheduleKind schedule, const ScheduleNumbers& numbers, std::int64_t step) {
  return schedule_record(schedule).rate(numbers, step);
}

ScheduleKind schedule_from_name(const std::string& wanted) {
  const auto names = schedules();
  const auto found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) return static_cast<ScheduleKind>(found - names.begin());
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i)
    all += (i == 0 ? "" : i + 1 < names.size() ? ", " : " or ") + names[i];
  throw Error(
      ErrorKind::usage,
      {.what = "unknown schedule", .where = "schedule", .expected = all, .found = "'" + wanted + "'"});
}

}  // namespace hone
