#include "train/micro_batches.hpp"

#include <algorithm>
#include <numeric>

#include "exec/feed.hpp"
#include "kernel/cross_entropy.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

std::int64_t elements_each(const TensorDef& input) {
  return input.type.shape.elements() / input.type.shape[0];
}

}  // namespace

bool fits(const JobPlan& job, std::size_t program, const Samples& samples, std::int64_t sample) {
  for (const TensorId id : job.inputs(program)) {
    const TensorDef& input = job.programs()[program][id];
    const Meaning meaning = input.input.meaning;
    if (meaning != Meaning::labels && meaning != Meaning::lengths) continue;
    const auto values = whole_numbers(samples.values().at(input.name.substr(1)));
    const auto stride = std::ssize(values) / samples.count();
    const auto own =
        values.subspan(static_cast<std::size_t>(sample * stride), static_cast<std::size_t>(stride));
    const auto rest = own.subspan(static_cast<std::size_t>(elements_each(input)));
    const bool inside =
        meaning == Meaning::labels
            ? std::ranges::all_of(rest, [](std::int32_t label) { return label == kernel::ignored_label; })
            : std::ranges::all_of(own, [&](std::int32_t length) { return length <= input.input.below; });
    if (!inside) return false;
  }
  return true;
}

namespace {

std::size_t bucket_of(const TrainPlan::Impl& plan, const Samples& samples, std::int64_t sample) {
  const std::size_t all = plan.options.buckets.size();
  for (std::size_t bucket = 0; bucket < all; ++bucket) {
    const auto of_it = std::ranges::find(plan.micro, bucket, &MicroProgram::bucket);
    if (fits(plan.job, of_it->train, samples, sample)) return bucket;
  }
  return all;
}

// Cuts `rows`, which are of one bucket, into its micro-batches.
void cut_rows(const TrainPlan::Impl& plan, std::size_t bucket, std::span<const std::int64_t> rows, ForUse use,
              std::vector<MicroBatch>& to) {
  const auto whole = std::ranges::find(plan.micro, bucket, &MicroProgram::bucket);
  const auto next = whole + 1;
  const bool has_rest = next != plan.micro.end() && next->bucket == bucket && use == ForUse::training;
  while (!rows.empty()) {
    const std::int64_t left = std::ssize(rows);
    // Small ones cost less than a whole one that is not full, as long as they are fewer positions.
    const bool small =
        has_rest && (left + next->sequences - 1) / next->sequences * next->sequences < whole->sequences;
    const MicroProgram& program = small ? *next : *whole;
    const auto part = rows.first(static_cast<std::size_t>(std::min(left, program.sequences)));
    to.push_back({&program, {part.begin(), part.end()}});
    rows = rows.subspan(part.size());
  }
}

void require(bool good, const std::string& what, const std::string& expected = {}) {
  if (!good) throw Error(ErrorKind::usage, {.what = what, .where = "buckets", .expected = expected});
}

}  // namespace

std::vector<MicroBatch> micro_batches(const TrainPlan::Impl& plan, const Samples& samples, ForUse use) {
  std::vector<std::vector<std::int64_t>> rows(plan.options.buckets.size() + 1);
  for (std::int64_t i = 0; i < samples.count(); ++i) rows[bucket_of(plan, samples, i)].push_back(i);
  std::vector<MicroBatch> parts;
  for (std::size_t bucket = 0; bucket < rows.size(); ++bucket)
    cut_rows(plan, bucket, rows[bucket], use, parts);
  return parts;
}

std::int64_t rest_of_bucket(std::int64_t whole) { return std::max<std::int64_t>(1, whole / 4); }

std::int64_t positions(std::int64_t seq, const std::map<std::string, std::int64_t, std::less<>>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), seq,
                         [](std::int64_t sum, const auto& size) { return sum + size.second; });
}

void check_buckets(const Model& model, const TrainPlanOptions& o) {
  double share = 0;
  for (const LengthBucket& bucket : o.buckets) {
    const auto is_shorter = [&](const auto& size) {
      const auto whole = o.sizes.find(size.first);
      return whole != o.sizes.end() && size.second > 0 && size.second <= whole->second;
    };
    require(bucket.seq > 0 && bucket.seq <= o.seq && bucket.sizes.size() == o.sizes.size() &&
                std::ranges::all_of(bucket.sizes, is_shorter),
            "a bucket is no shorter length of this plan's", "the plan's sizes, each at most the plan's own");
    share += bucket.share;
    require(bucket.share >= 0 && share < 1 + 1e-9, "the shares of buckets are those of one whole", "0 to 1");
  }
  for (const std::string& name : o.keep)
    require(o.buckets.empty() || model.impl().find(name), "an activation of several lengths cannot be kept",
            "no buckets, or no activations in `keep`");
}

void check_cuts(const TrainPlan::Impl& plan) {
  const Program& whole = plan.job.programs()[plan.micro[0].train];
  for (const MicroProgram& micro : plan.micro) {
    if (micro.bucket == plan.micro[0].bucket) continue;
    const Program& program = plan.job.programs()[micro.train];
    for (const TensorId id : plan.job.inputs(micro.train)) {
      if (!of_batch(program[id].input.meaning)) continue;
      const Shape &own = program[id].type.shape, &all = whole[whole.input(program[id].name)].type.shape;
      bool begins = own.rank() == all.rank();
      for (int i = program[id].input.once_a_step ? 0 : 2; begins && i < own.rank(); ++i)
        begins = own[i] == all[i];
      require(begins,
              "the input " + program[id].name.substr(1) + " of a shorter sample is not the whole one's begin",
              "positions in the dimension behind the batch");
    }
  }
}

}  // namespace hone
