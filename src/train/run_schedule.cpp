#include "train/run_schedule.hpp"

#include <fmt/format.h>

#include "base/number.hpp"

namespace hone {

float learning_rate(const TrainingRun& run, std::int64_t step) {
  return learning_rate(run.schedule,
                       {.peak = run.adamw.lr,
                        .warmup = run.warmup,
                        .steps = run.steps,
                        .least = run.min_lr,
                        .decay = run.decay_steps},
                       step);
}

std::vector<std::string> schedule_notes(const TrainingRun& run) {
  std::vector<std::string> notes;
  if (run.steps <= 0) return notes;
  const bool falls = schedule_record(run.schedule).falls;
  if (!falls && run.min_lr > 0)
    notes.push_back(
        fmt::format("--min-lr has no effect on a {} schedule, which does not fall", name(run.schedule)));
  if (!schedule_record(run.schedule).has_decay && run.decay_steps > 0)
    notes.push_back(fmt::format("--decay-steps has no effect on a {} schedule", name(run.schedule)));
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
