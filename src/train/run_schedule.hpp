// A run's learning rate, and what its options ask of it that cannot be.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/training_run.hpp"

namespace hone {

// A schedule, as schedule.cpp lists them.
struct ScheduleRecord {
  const char* name;
  float (*rate)(const ScheduleNumbers& numbers, std::int64_t step);
  bool falls = true;       // from the peak, to `least`
  bool has_decay = false;  // a length of its own in which it falls
};
const ScheduleRecord& schedule_record(ScheduleKind schedule);

// Of step `step`, counted from 0.
float learning_rate(const TrainingRun& run, std::int64_t step);

// When pruning ends; whether there is some before step `step`; and the share that the last one asked for.
std::int64_t prune_end(const GradualPruning& prune, std::int64_t steps);
bool prunes_before(const GradualPruning& prune, std::int64_t step, std::int64_t steps);
double sparsity_at(const GradualPruning& prune, std::int64_t step, std::int64_t steps);
// Error(usage) for what no run of so many steps can do.
void check_pruning(const GradualPruning& prune, std::int64_t steps);

// A line for each thing that the schedule cannot do as asked: a warmup that does not end, a --min-lr that no
// step has.
std::vector<std::string> schedule_notes(const TrainingRun& run);

}  // namespace hone
