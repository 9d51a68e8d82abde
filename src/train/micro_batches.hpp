// How samples are divided into micro-batches: by length, then in order.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "train/plan_impl.hpp"

namespace hone {

struct MicroBatch {
  const MicroProgram* program;
  std::vector<std::int64_t> rows;  // the samples' numbers; fewer than the program's: its rest has no labels
};

// Does the sample lie within a program's lengths, with all of its labels that count?
bool fits(const JobPlan& job, std::size_t program, const Samples& samples, std::int64_t sample);

enum class ForUse { training, evaluation };
// Of samples as long as the plan's whole length. Where there are no buckets, those of a training have the
// sizes that the plan has programs for.
std::vector<MicroBatch> micro_batches(const TrainPlan::Impl& plan, const Samples& samples, ForUse use);

// Beside a bucket's whole micro-batch there is one of so many, for what is left.
std::int64_t rest_of_bucket(std::int64_t whole);
// What a sample of these lengths costs: its positions, of source and target.
std::int64_t positions(std::int64_t seq, const std::map<std::string, std::int64_t, std::less<>>& sizes);

// Error(usage) for buckets that are no shorter lengths of the plan's, or contradict other options.
void check_buckets(const Model& model, const TrainPlanOptions& options);
// Error(usage) where a bucket's inputs are not the begin of the whole ones.
void check_cuts(const TrainPlan::Impl& plan);

}  // namespace hone
