// Learning rates as functions of the step, counted from 0.
//
//   const hone::Cosine lr{.peak = 1e-3f, .warmup = 100, .steps = 2000, .least = 1e-4f};
//   trainer.step(batch, {.lr = lr(n)});
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/error.hpp"

namespace hone {

// Of `steps` steps, 0 to steps - 1:
//
//   step n < warmup        peak * (n + 1) / (warmup + 1), a rise in equal parts of which none is 0
//   step warmup            peak
//   from there on          a cosine, or a line, that has `least` at step steps - 1, the last, and after it
//
// A warmup of steps - 1 ends at the peak, and a longer one below it: then no step falls. So with one step
// alone and no warmup that step has the peak.
struct Cosine {
  float peak = 1e-3f;
  std::int64_t warmup = 0, steps = 1;
  float least = 0;
  HONE_API float operator()(std::int64_t step) const;
};

struct Linear {  // the same with a straight line
  float peak = 1e-3f;
  std::int64_t warmup = 0, steps = 1;
  float least = 0;
  HONE_API float operator()(std::int64_t step) const;
};

struct Constant {  // the same rise, then the peak for good
  float peak = 1e-3f;
  std::int64_t warmup = 0;
  HONE_API float operator()(std::int64_t step) const;
};

// Warmup, a stable peak, decay: the same rise, the peak, and over the last `decay` steps (none: a fifth of
// `steps`) a fall to `least` by 1 - sqrt of the share of the way (Haegele et al., "Scaling laws and
// compute-optimal training beyond fixed training durations", 2024). Until it falls, no step depends on
// `steps`: a longer run goes on from any checkpoint before.
struct WarmupStableDecay {
  float peak = 1e-3f;
  std::int64_t warmup = 0, steps = 1;
  float least = 0;
  std::int64_t decay = 0;
  HONE_API float operator()(std::int64_t step) const;
};

// What is zero while a model is pruned little by little (Zhu and Gupta, "To prune, or not to prune", arXiv
// 1710.01878): nothing until step `start`, then last * (1 - (1 - t)^3) at a share t of the way to step `end`,
// fast at first while much is of no use; from there on `last`.
struct CubicSparsity {
  double last = 0.5;
  std::int64_t start = 0, end = 1;
  HONE_API double operator()(std::int64_t step) const;
};

// Learning rates by name. One more schedule is one more name here, and its line of the table in
// src/train/schedule.cpp.
enum class ScheduleKind { constant, linear, cosine, wsd };
HONE_API std::vector<std::string> schedules();  // "constant", ..., in that order
HONE_API const char* name(ScheduleKind schedule);
HONE_API ScheduleKind schedule_from_name(const std::string& name);  // Error(usage) for another name

// What a run says of its schedule; each takes what it has.
struct ScheduleNumbers {
  float peak = 1e-3f;
  std::int64_t warmup = 0, steps = 1;
  float least = 0;
  std::int64_t decay = 0;
};
HONE_API float learning_rate(ScheduleKind schedule, const ScheduleNumbers& numbers, std::int64_t step);

}  // namespace hone
