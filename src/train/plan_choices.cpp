#include "hone/plan_choices.hpp"

#include <algorithm>

#include "exec/node_times.hpp"
#include "machine/memory.hpp"
#include "pass/recompute_search.hpp"
#include "train/forecast.hpp"
#include "train/plan_ways.hpp"

namespace hone {
namespace {

using Impl = TrainPlan::Impl;

std::int64_t largest_scratch(const Impl& plan) {
  std::int64_t largest = 0;
  for (const MicroProgram& micro : plan.micro)
    for (const std::int64_t bytes : plan.job.workspace(micro.train).scratch_bytes)
      largest = std::max(largest, bytes);
  return largest;
}

PlanChoice choice_of(const Impl& plan, NodeTimes& times) {
  PlanChoice c;
  for (const auto& shared : plan.job.shared()) {
    const TensorDef& t = shared.second.tensor;
    if (is_weight(t)) c.parameters_bytes += t.type.bytes();
    if (t.purpose == Purpose::gradient || t.purpose == Purpose::rows) c.gradients_bytes += t.type.bytes();
    if (t.purpose == Purpose::optimizer) c.optimizer_bytes += t.type.bytes();
  }
  c.scratch_bytes = std::min(largest_scratch(plan), plan.job.workspace_bytes());
  c.outside_bytes = plan.forecast.outside_bytes;
  c.peak_bytes = plan.forecast.peak_bytes;
  c.activations_bytes = c.peak_bytes - c.outside_bytes - c.parameters_bytes - c.gradients_bytes -
                        c.optimizer_bytes - c.scratch_bytes;
  c.step_ms = step_ms(plan, [&](const Program& p) { return times.ms(p); });
  return c;
}

class Comparison {
 public:
  explicit Comparison(const TrainPlan& plan)
      : plan_(plan), times_(plan.impl().job.options(), plan.impl().forecast.arena_bytes) {}

  std::vector<PlanChoice> run() {
    add({.what = "as asked"}, plan_.impl());
    const TrainPlanOptions& o = plan_.options();
    if (o.memory_bytes) {
      TrainPlanOptions free = o;
      free.memory_bytes = 0;
      free.micro_batch = usual_micro_batch(free);
      add({.what = "without a budget"}, *planned(free, {}));
    }
    add({.what = "activations computed again", .options = "--memory"}, *smallest_plan(plan_.model(), o, {}));
    if (o.micro_batch > 1) {
      TrainPlanOptions one = o;
      one.micro_batch = 1;
      add({.what = "micro-batches of 1", .options = "--micro-batch 1"}, *planned(one, {}));
    }
    precisions();
    leaner();
    smallest();
    in_time_of_the_plan();
    return std::move(choices_);
  }

 private:
  // The plan's own time was measured before: one figure for one plan, and the others beside it.
  void in_time_of_the_plan() {
    const double pace = plan_.forecast().step_ms / choices_.front().step_ms;
    for (PlanChoice& c : choices_) c.step_ms *= pace;
  }

  std::shared_ptr<Impl> planned(const TrainPlanOptions& o, const PlanWays& ways) const {
    return make_plan(plan_.model(), o, write_programs(plan_.model(), o, ways));
  }

  void add(PlanChoice named, const Impl& plan) {
    PlanChoice c = choice_of(plan, times_);
    c.what = std::move(named.what), c.options = std::move(named.options), c.same_numbers = named.same_numbers;
    choices_.push_back(std::move(c));
  }

  void precisions() {
    for (const Precision p : {Precision::f32, Precision::bf16, Precision::fp16}) {
      if (p == plan_.options().precision) continue;
      TrainPlanOptions other = plan_.options();
      other.precision = p;
      const std::string typed(name(p));
      add({.what = "in " + typed, .options = "--precision " + typed, .same_numbers = false},
          *planned(other, {}));
    }
  }

  // What holds less of the optimizer, of the weights, of the gradients.
  void leaner() {
    const TrainPlanOptions& o = plan_.options();
    if (o.optimizer == "adamw") {
      TrainPlanOptions other = o;
      other.optimizer = "adamw8bit";
      add({.what = "optimizer states of 8 bits", .options = "--optimizer adamw8bit", .same_numbers = false},
          *planned(other, {}));
    }
    if (o.clipping && o.precision != Precision::fp16 && o.buckets.empty()) {
      TrainPlanOptions other = o;
      other.clipping = false;
      other.micro_batch = o.batch;
      add({.what = "no clipping: updates inside of backward",
           .options = "--clip 0 --micro-batch " + std::to_string(o.batch),
           .same_numbers = false},
          *planned(other, {}));
    }
  }

  void smallest() {
    TrainPlanOptions o = plan_.options();
    o.micro_batch = 1;
    std::shared_ptr<Impl> least;
    for (const std::int64_t micro : {std::int64_t{1}, plan_.options().micro_batch, plan_.options().batch}) {
      o.micro_batch = micro;
      const bool low = o.precision != Precision::f32;
      auto plan = smallest_plan(plan_.model(), o, {.loss_rows = 256, .cast_at_use = low});
      if (!least || plan->forecast.peak_bytes < least->forecast.peak_bytes) least = std::move(plan);
    }
    add({.what = "smallest of the same numbers", .options = "--memory"}, *least);
  }

  const TrainPlan& plan_;
  NodeTimes times_;
  std::vector<PlanChoice> choices_;
};

std::string mebibytes(std::int64_t bytes) { return std::to_string(bytes >> 20) + "MiB"; }

// Can the plan be made to fit so, with what is allowed?
bool fits_within(const TrainPlan& plan, std::int64_t bytes, std::vector<std::string> allow) {
  try {
    TrainPlanOptions o = plan.options();
    o.memory_bytes = bytes;
    o.allow = std::move(allow);
    plan_within(plan.model(), o, false);
    return true;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::budget) throw;
    return false;
  }
}

}  // namespace

std::vector<PlanChoice> plan_choices(const TrainPlan& plan) { return Comparison(plan).run(); }

Recommendation recommended(const TrainPlan& plan, const std::vector<PlanChoice>& choices,
                           std::int64_t memory_bytes) {
  Recommendation r;
  const auto add = [&](const std::string& options) { r.options += (r.options.empty() ? "" : " ") + options; };
  // bf16 rounds more coarsely than f32, and shall be worth it; beside fp16 it needs no loss scale.
  const double share = plan.options().precision == Precision::fp16 ? 1 : 0.8;
  for (const PlanChoice& c : choices)
    if (c.options == "--precision bf16" && c.step_ms < share * choices.front().step_ms) add(c.options);
  const std::int64_t room = memory_bytes ? memory_bytes : available_memory_bytes();
  if (plan.peak_bytes() <= room) return r;
  const auto& allowed = plan.options().allow;
  if (fits_within(plan, room, allowed)) {
    add("--memory " + mebibytes(room));
  } else if (fits_within(plan, room, {"optimizer"})) {
    add("--memory " + mebibytes(room) + " --allow optimizer");
  } else if (fits_within(plan, room, {"optimizer", "master"})) {
    add("--memory " + mebibytes(room) + " --allow optimizer,master");
  } else {
    r.fits = false;
  }
  return r;
}

}  // namespace hone
