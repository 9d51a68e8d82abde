// What a plan says of memory and time, from its programs alone.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "op/builder_state.hpp"
#include "store/weight_store.hpp"
#include "train/plan_impl.hpp"

namespace hone {

struct MachineLimits;

// A weight whose file has it the other way round passes through buffers: the bytes of the largest such.
std::int64_t largest_turned_bytes(const std::vector<ParameterSpec>& specs);

struct TextMemory {
  std::int64_t held = 0;     // as long as the job lasts
  std::int64_t reading = 0;  // beside it, before the job takes anything
  std::int64_t teacher = 0;  // as long as the job lasts
};
// A job's memory: arena, what lies outside it (such buffers and a text too), and the parts by name, `frozen`
// weights apart. The time is left at 0.
// `store`: whose weights the job reads, of which some may be mapped.
Forecast forecast_memory(const JobPlan& job, std::int64_t turning_bytes, const TextMemory& text = {},
                         const WeightStore* store = nullptr, const std::set<std::string>& frozen = {});
// Of a job beside another one, in its process.
std::int64_t bytes_beside(const JobPlan& job, const Model& model);
// And where what it maps is counted already.
std::int64_t bytes_beside_mapped(const JobPlan& job, const Model& model);
// What nodes with so many operands take, as they are planned and bound.
std::size_t operands_of(const Node& node);
std::int64_t program_bytes(std::size_t operands);
std::int64_t programs_bytes(const JobPlan& job);  // of all programs of a job
// Of a process that has done nothing yet: code, libraries, threads.
std::int64_t bare_process_bytes(int threads);
// Resident while ways to keep a budget are compared, before the job takes anything; as large a peak where the
// job's is smaller.
std::int64_t planning_bytes(const JobPlan& job);
void add_planning(Forecast& forecast, std::int64_t planning_bytes);
// What programs reach of a machine.
struct Pace {
  double products = 0.85;  // the share of the multiply-add limit, by the products of a training step
  double memory_gb_s = 0;
  double node_ms = 4e-3;  // start and end of a parallel loop
};
// A node's time at that pace: by its operations or by its bytes, whichever takes longer.
double node_ms(const Program& program, const Node& node, const MachineLimits& limits, const Pace& pace);
double program_ms(const Program& program, const MachineLimits& limits, const Pace& pace);
// A step's time, from that of its programs.
double step_ms(const TrainPlan::Impl& plan, const std::function<double(const Program&)>& program_ms);

// step_ms, of nodes that are timed on this machine, and its limit.
Forecast with_time(const TrainPlan::Impl& plan);
double step_flops(const TrainPlan::Impl& plan);

}  // namespace hone
