#include "train/run_schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/number.hpp"
#include "store/mask.hpp"

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

std::int64_t prune_end(const GradualPruning& prune, std::int64_t steps) {
  return prune.end > 0 ? prune.end : std::max(prune.start, steps * 3 / 4);
}

bool prunes_before(const GradualPruning& prune, std::int64_t step, std::int64_t steps) {
  const std::int64_t end = prune_end(prune, steps);
  return step == end || (step >= prune.start && step < end && (step - prune.start) % prune.every == 0);
}

double sparsity_at(const GradualPruning& prune, std::int64_t step, std::int64_t steps) {
  const CubicSparsity share{.last = prune.sparsity, .start = prune.start, .end = prune_end(prune, steps)};
  return share(step < share.end ? step - (step - prune.start) % prune.every : step);
}

void check_pruning(const GradualPruning& prune, std::int64_t steps) {
  const auto require = [](bool good, const char* option, const std::string& expected, std::int64_t found) {
    if (!good)
      throw Error(ErrorKind::usage, {.what = "impossible value",
                                     .where = option,
                                     .expected = expected,
                                     .found = std::to_string(found)});
  };
  sparsity_of(prune.pattern, prune.sparsity, pattern_names());
  require(prune.start >= 0, "prune_start", "0 or more", prune.start);
  require(prune.every >= 1, "prune_every", "1 or more", prune.every);
  if (steps <= 0) return;  // none is done
  require(prune.start < steps, "prune_start", "less than the steps, " + std::to_string(steps), prune.start);
  require(prune.end == 0 || (prune.end >= prune.start && prune.end < steps), "prune_end",
          "prune_start to " + std::to_string(steps - 1) + ", so that a step is left behind it", prune.end);
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
