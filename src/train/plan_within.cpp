#include <algorithm>
#include <cmath>
#include <optional>

#include "base/number.hpp"
#include "machine/limits.hpp"
#include "model/model_impl.hpp"
#include "pass/recompute_search.hpp"
#include "train/forecast.hpp"
#include "train/plan_ways.hpp"

namespace hone {
namespace {

// The search compares ways on this machine, whichever it runs on, so that a plan follows from its options
// alone: what `hone plan` says is what `hone train` does.
const MachineLimits& usual_machine() {
  static const MachineLimits limits{.f32_gflops = {200, 200, 200},
                                    .bf16_gflops = {400, 400, 400},
                                    .int8_gops = {},
                                    .read_gb_s = 30,
                                    .copy_gb_s = 30};
  return limits;
}
constexpr Pace usual_pace{.memory_gb_s = 30};

double usual_node_ms(const Program& p, const Node& node) {
  return node_ms(p, node, usual_machine(), usual_pace);
}

// A way to plan the run: what is asked for, but for one thing or another. Its plan is written again when its
// turn comes: those of all candidates would be larger than what a small budget is about.
struct Candidate {
  std::string what;  // "micro-batches of 2, ..."
  TrainPlanOptions options;
  PlanWays ways;
  std::size_t nodes = 0;         // of the programs
  std::int64_t peak_bytes = 0;   // with everything kept
  double ms = 0;                 // of a step
  std::int64_t least_bytes = 0;  // of the peak, with as much made again as helps
  double least_ms = 0;           // of a step then
};

// Of the peak, all but the workspace of the programs that train; with the nodes that make things again, which
// are at most all of the forward part.
std::int64_t fixed_bytes(const TrainPlan::Impl& plan) {
  std::size_t operands = 0;
  for (const MicroProgram& m : plan.micro)
    for (const Node& node : plan.job.programs()[m.train].nodes)
      if (!node.backward) operands += operands_of(node);
  return plan.forecast.peak_bytes - plan.job.workspace_bytes() + alignment_bytes + program_bytes(operands);
}
std::int64_t other_workspace_bytes(const TrainPlan::Impl& plan) {
  std::int64_t bytes = 0;
  const auto trains = [&](std::size_t program) {
    return std::any_of(plan.micro.begin(), plan.micro.end(),
                       [&](const MicroProgram& m) { return m.train == program; });
  };
  for (std::size_t i = 0; i < plan.job.programs().size(); ++i)
    if (!trains(i)) bytes = std::max(bytes, plan.job.workspace(i).bytes);
  return bytes;
}

std::size_t nodes_of(const std::vector<Program>& programs) {
  std::size_t nodes = 0;
  for (const Program& p : programs) nodes += p.nodes.size();
  return nodes;
}

class Planner {
 public:
  Planner(const Model& model, TrainPlanOptions asked, bool chosen)
      : model_(model), asked_(std::move(asked)), chosen_(chosen) {}

  std::shared_ptr<TrainPlan::Impl> run() {
    for (const Variant& variant : variants()) {
      const std::size_t first = candidates_.size();
      list(variant);
      if (auto plan = fastest(first)) return plan;
    }
    refuse();
  }

 private:
  struct Variant {
    std::string what;
    TrainPlanOptions options;
  };
  std::vector<Variant> variants() const;
  std::vector<std::int64_t> micro_batches(const TrainPlanOptions& options) const;
  void list(const Variant& variant);
  void add(std::string what, TrainPlanOptions options, PlanWays ways);
  std::shared_ptr<TrainPlan::Impl> fastest(std::size_t first);
  std::shared_ptr<TrainPlan::Impl> fitted(Candidate& candidate, double& ms);
  [[noreturn]] void refuse() const;

  const Model& model_;
  const TrainPlanOptions asked_;
  const bool chosen_;
  std::vector<Candidate> candidates_;
};

// In the order of preference: each takes what those before it take.
std::vector<Planner::Variant> Planner::variants() const {
  std::vector<Variant> all{{"", asked_}};
  const auto allowed = [&](const char* what) {
    return std::find(asked_.allow.begin(), asked_.allow.end(), what) != asked_.allow.end();
  };
  const auto known = optimizers();
  if (allowed("optimizer") && asked_.optimizer == "adamw" &&
      std::find(known.begin(), known.end(), "adamw8bit") != known.end()) {
    Variant next = all.back();
    next.what = "the optimizer adamw8bit";
    next.options.optimizer = "adamw8bit";
    all.push_back(std::move(next));
  }
  if (allowed("master") && asked_.master == Precision::f32) {
    Variant next = all.back();
    next.what += (next.what.empty() ? "" : ", ") + std::string("weights in bf16 alone");
    next.options.master = Precision::bf16;
    all.push_back(std::move(next));
  }
  return all;
}

// The usual one; where nobody chose it, halves of it, and the whole batch, which has nothing to add up.
std::vector<std::int64_t> Planner::micro_batches(const TrainPlanOptions& o) const {
  std::vector<std::int64_t> sizes{o.micro_batch};
  if (chosen_) return sizes;
  if (o.batch > o.micro_batch && o.batch <= 8 * o.micro_batch) sizes.push_back(o.batch);
  for (std::int64_t size = o.micro_batch / 2; size > 0; size /= 2) sizes.push_back(size);
  return sizes;
}

void Planner::list(const Variant& variant) {
  const bool low = asked_.precision != Precision::f32;
  for (const std::int64_t size : micro_batches(variant.options))
    for (const bool cast : low ? std::vector{false, true} : std::vector{false})
      for (const std::int64_t rows : {ChunkOptions{}.rows, std::int64_t{256}}) {
        TrainPlanOptions options = variant.options;
        options.micro_batch = size;
        std::string what = variant.what;
        const auto say = [&](const std::string& more) { what += (what.empty() ? "" : ", ") + more; };
        if (size != asked_.micro_batch) say("micro-batches of " + std::to_string(size));
        if (cast) say("weights cast where they are read");
        if (rows != ChunkOptions{}.rows) say("the loss by " + std::to_string(rows) + " rows");
        add(std::move(what), std::move(options), {.loss_rows = rows, .cast_at_use = cast});
      }
}

void Planner::add(std::string what, TrainPlanOptions options, PlanWays ways) {
  Candidate c{.what = std::move(what), .options = std::move(options), .ways = ways};
  PlanPrograms programs = write_programs(model_, c.options, ways);
  c.nodes = nodes_of(programs.list);
  // Chunks of other sizes that cut a small loss alike.
  const bool other_chunks = ways.loss_rows != ChunkOptions{}.rows;
  if (other_chunks && !candidates_.empty() && candidates_.back().nodes == c.nodes) return;
  const auto plan = make_plan(model_, c.options, std::move(programs));
  c.peak_bytes = plan->forecast.peak_bytes;
  c.ms = step_ms(*plan, [](const Program& p) { return program_ms(p, usual_machine(), usual_pace); });
  candidates_.push_back(std::move(c));
}

// Of those from `first` on the fastest that fits; none.
std::shared_ptr<TrainPlan::Impl> Planner::fastest(std::size_t first) {
  std::vector<Candidate*> order;
  for (std::size_t i = first; i < candidates_.size(); ++i) order.push_back(&candidates_[i]);
  std::stable_sort(order.begin(), order.end(),
                   [](const Candidate* a, const Candidate* b) { return a->ms < b->ms; });
  std::shared_ptr<TrainPlan::Impl> best;
  double best_ms = HUGE_VAL;
  for (Candidate* c : order) {
    if (c->ms >= best_ms) break;
    double ms = 0;
    auto plan = fitted(*c, ms);
    if (!plan || ms >= best_ms) continue;
    best = std::move(plan);
    best_ms = ms;
  }
  return best;
}

// The candidate with as little made again as fits, and the time of a step; none where it does not.
std::shared_ptr<TrainPlan::Impl> Planner::fitted(Candidate& c, double& ms) {
  const std::int64_t budget = asked_.memory_bytes;
  auto kept = make_plan(model_, c.options, write_programs(model_, c.options, c.ways));
  const std::int64_t fixed = fixed_bytes(*kept), planning = planning_bytes(kept->job);
  ms = c.ms;
  add_planning(kept->forecast, planning);
  if (kept->forecast.peak_bytes <= budget) return kept;
  std::int64_t most = other_workspace_bytes(*kept);
  bool fits = std::max(fixed + most, planning) <= budget;
  PlanPrograms programs{kept->job.programs(), kept->micro, kept->frozen};
  c.least_ms = c.ms;
  for (std::size_t m = 0; m < kept->micro.size(); ++m) {
    const Program& whole = kept->job.programs()[kept->micro[m].train];
    RecomputeSearch search(whole, kept->job.options(), usual_node_ms);
    const auto found = fits ? search.within(budget - fixed) : std::nullopt;
    fits = fits && found.has_value();
    most = std::max(most, search.least().workspace_bytes);
    c.least_ms += search.least().again_ms * kept->micro[m].runs;
    if (!fits) continue;
    ms += found->again_ms * kept->micro[m].runs;
    Program& program = programs.list[programs.micro[m].train];
    recompute(program, found->tensors);
    remove_dead(program);
  }
  c.least_bytes = std::max(fixed + most, planning);
  if (!fits) return {};
  auto plan = make_plan(model_, c.options, std::move(programs));
  add_planning(plan->forecast, planning);
  return plan->forecast.peak_bytes <= budget ? plan : nullptr;
}

std::string mebibytes(std::int64_t bytes) {
  return std::to_string((bytes + (std::int64_t{1} << 20) - 1) >> 20) + " MiB";
}

void Planner::refuse() const {
  const Candidate& whole = candidates_.front();
  const Candidate* smallest = &whole;
  for (const Candidate& c : candidates_)
    if (c.least_bytes < smallest->least_bytes) smallest = &c;
  const auto costs = [&](double ms) {
    return "+" + std::to_string(std::lround(100 * (ms / whole.ms - 1))) + " % time";
  };
  std::string hint = "as asked it takes " + mebibytes(whole.peak_bytes);
  std::int64_t known = whole.peak_bytes;
  for (const Candidate& c : candidates_) {  // what takes less than those before it
    if (c.least_bytes >= known) continue;
    known = c.least_bytes;
    hint += "; with " + (c.what.empty() ? std::string() : c.what + " and ") + "activations made again " +
            mebibytes(c.least_bytes) + ", " + costs(c.least_ms);
  }
  if (asked_.allow.empty()) hint += "; --allow optimizer,master may change results for less";
  throw Error(ErrorKind::budget, {.what = "nothing that changes no result fits in this memory",
                                  .where = "memory_bytes",
                                  .expected = "at least " + mebibytes(smallest->least_bytes),
                                  .found = mebibytes(asked_.memory_bytes),
                                  .hint = hint});
}

}  // namespace

std::shared_ptr<TrainPlan::Impl> smallest_plan(const Model& model, const TrainPlanOptions& options,
                                               const PlanWays& ways) {
  PlanPrograms programs = write_programs(model, options, ways);
  const ExecOptions exec = exec_options(options.threads, options.isa);
  for (const MicroProgram& micro : programs.micro) {
    Program& program = programs.list[micro.train];
    const Program whole = program;
    recompute(program, RecomputeSearch(whole, exec, usual_node_ms).least().tensors);
    remove_dead(program);
  }
  return make_plan(model, options, std::move(programs));
}

std::shared_ptr<TrainPlan::Impl> plan_within(const Model& model, const TrainPlanOptions& options,
                                             bool chosen) {
  return Planner(model, options, chosen).run();
}

}  // namespace hone
