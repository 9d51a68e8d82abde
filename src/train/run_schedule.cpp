#include "train/run_schedule.hpp"

#include <fmt/format.h>

#include "base/number.hpp"

namespace hone {

float learning_rate(const TrainingRun& run, std::int64_t step) {
  switch (run.schedule) {
    case ScheduleKind::constant:
      return Constant{run.adamw.lr, run.warmup}(step);
    case ScheduleKind::linear:
      return Linear{run.adamw.lr, run.warmup, run.steps, run.min_lr}(step);
    case ScheduleKind::cosine:
      return Cosine{run.adamw.lr, run.warmup, run.steps, run.min_lr}(step);
    case ScheduleKind::wsd:
      return WarmupStableDecay{run.adamw.lr, run.warmup, run.steps, run.min_lr, run.decay_steps}(step);
  }
  return run.adamw.lr;
}

std::vector<std::string> schedule_notes(const TrainingRun& run) {
  std::vector<std::string> notes;
  if (run.steps <= 0) return notes;
  const bool falls = run.schedule != ScheduleKind::constant;
  if (!falls && run.min_lr > 0)
    notes.push_back("--min-lr has no effect on a constant schedule; the others fall to it");
  if (run.schedule != ScheduleKind::wsd && run.decay_steps > 0)
    notes.push_back("--decay-steps has no effect but on a wsd schedule");
  const float last = learning_rate(run, run.steps - 1);
  if (run.warmup >= run.steps)
    notes.push_back(
        fmt::format("--warmup {} does not end within --steps {}: the learning rate only rises, to {} "
                    "of --lr {}",
                    run.warmup, run.steps, to_text(last), to_text(run.adamw.lr)));
  else if (falls && last != run.min_lr)
    notes.push_back(
        fmt::format("with --warmup {} the last of --steps {} is the first at --lr {}: none is left to "
                    "fall to --min-lr {}",
                    run.warmup, run.steps, to_text(run.adamw.lr), to_text(run.min_lr)));
  return notes;
}

}  // namespace hone
