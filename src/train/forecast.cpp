#include "train/forecast.hpp"

#include <algorithm>

#include "exec/node_times.hpp"
#include "ir/op_record.hpp"
#include "machine/limits.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

// Beside the arena, of a process that does nothing else: code, libraries, the buffers through which a text is
// read. Of 18 MiB of code 11 to 13 were resident, by what the kernel maps around a page that is touched, and
// 2 to 3 MiB of heap. 16 and 64 threads added less than 0.2 MiB.
constexpr std::int64_t process_bytes = std::int64_t{16} << 20;
// Programs, and what they are bound to: 923 and 963 bytes for each operand of their nodes, with 48 and 12
// layers. While ways to keep a budget are compared there are some of them at a time, given back before the
// arena is taken: 2.7 in a model of 96 layers.
constexpr std::int64_t operand_bytes = 1000;
constexpr std::int64_t plans_at_a_time = 3;
constexpr std::int64_t thread_bytes = std::int64_t{1} << 14;

// What a state counts as, by its purpose; in the order of Purpose.
constexpr const char* purposes[] = {"scalars", "bf16 weights", "gradients", "gradients", "optimizer",
                                    "kept",    "cache",        "cache",     "scalars"};

// Is this one of the weights that the job reads where they lie in their file?
bool is_mapped(const Shared& shared, const WeightStore* store) {
  return store && shared.offset < 0 && shared.tensor.role == Role::parameter &&
         store->is_mapped(*shared.tensor.parameter);
}

std::int64_t mapped_weight_bytes(const JobPlan& job, const WeightStore* store) {
  std::int64_t bytes = 0;
  for (const auto& [name, shared] : job.shared())
    if (is_mapped(shared, store)) bytes += aligned(shared.tensor.type.bytes());
  return bytes;
}

// Of what is allocated; `mapped_bytes` of the weights that the job reads are not.
std::vector<std::pair<std::string, std::int64_t>> breakdown(const JobPlan& job, const WeightStore* store,
                                                            std::int64_t mapped_bytes,
                                                            const std::set<std::string>& frozen) {
  std::vector<std::pair<std::string, std::int64_t>> parts{{"workspace", job.workspace_bytes()}};
  const auto add = [&](const char* name, std::int64_t bytes) {
    for (auto& [known, sum] : parts)
      if (known == name) {
        sum += bytes;
        return;
      }
    parts.emplace_back(name, bytes);
  };
  for (const auto& shared : job.shared()) {
    const TensorDef& t = shared.second.tensor;
    if (is_mapped(shared.second, store)) continue;
    add(frozen.contains(shared.first)                                 ? "frozen weights"
        : t.role == Role::parameter                                   ? "weights"
        : t.role == Role::input                                       ? "inputs"
        : t.role == Role::constant                                    ? "constants"
        : t.type.dtype == DType::f16 && t.purpose == Purpose::derived ? "fp16 weights"
        : t.type.dtype == DType::u8 && t.purpose == Purpose::derived
            ? "quantized weights"
            : purposes[static_cast<std::size_t>(t.purpose)],
        t.type.bytes());
  }
  std::int64_t sum = 0;
  for (const auto& part : parts) sum += part.second;
  if (const std::int64_t all = job.arena_bytes() + job.held_bytes() - mapped_bytes; all > sum)
    parts.emplace_back("alignment", all - sum);
  return parts;
}

}  // namespace

std::int64_t programs_bytes(const JobPlan& job) {
  std::size_t operands = 0;
  for (const Program& p : job.programs())
    for (const Node& node : p.nodes) operands += operands_of(node);
  return program_bytes(operands);
}

std::int64_t bare_process_bytes(int threads) { return process_bytes + thread_bytes * threads; }

std::size_t operands_of(const Node& node) { return node.inputs.size() + node.outputs.size(); }
std::int64_t program_bytes(std::size_t operands) {
  return operand_bytes * static_cast<std::int64_t>(operands);
}

double node_ms(const Program& p, const Node& node, const MachineLimits& limits, const Pace& pace) {
  const Cost cost = node.op->cost(p, node);
  const double gflops = (cost.low_precision ? limits.bf16_gflops : limits.f32_gflops).median;
  return std::max(cost.flops / (gflops * pace.products * 1e6), cost.bytes / (pace.memory_gb_s * 1e6)) +
         pace.node_ms;
}

double program_ms(const Program& p, const MachineLimits& limits, const Pace& pace) {
  double ms = 0;
  for (const Node& node : p.nodes) ms += node_ms(p, node, limits, pace);
  return ms;
}

double step_ms(const TrainPlan::Impl& plan, const std::function<double(const Program&)>& program_ms) {
  const auto of = [&](std::size_t program) { return program_ms(plan.job.programs()[program]); };
  double ms = of(plan.norm) + of(plan.update);
  for (const MicroProgram& micro : plan.micro) ms += of(micro.train) * micro.runs;
  return ms;
}

std::int64_t largest_turned_bytes(const std::vector<ParameterSpec>& specs) {
  std::int64_t largest = 0;
  for (const ParameterSpec& spec : specs)
    if (is_turned(spec)) largest = std::max(largest, size_bytes(spec.dtype) * spec.shape.elements());
  return largest;
}

Forecast forecast_memory(const JobPlan& job, std::int64_t turning_bytes, const TextMemory& text,
                         const WeightStore* store, const std::set<std::string>& frozen) {
  Forecast f;
  const std::int64_t mapped = mapped_weight_bytes(job, store);
  f.arena_bytes = job.arena_bytes() + job.held_bytes() - mapped;
  if (mapped > 0) f.mapped_bytes = mapped + store->mapped_beside_bytes();
  const std::int64_t process =
      bare_process_bytes(job.options().threads) + programs_bytes(job) + turning_bytes;
  // Given back before the arena is taken: only what exceeds that counts.
  const std::int64_t reading = std::max<std::int64_t>(0, text.reading - f.arena_bytes - turning_bytes);
  f.outside_bytes = process + text.held + text.teacher + reading;
  f.peak_bytes = f.arena_bytes + f.mapped_bytes + f.outside_bytes;
  f.breakdown = breakdown(job, store, mapped, frozen);
  if (f.mapped_bytes > 0) f.breakdown.emplace_back("mapped weights", f.mapped_bytes);
  if (text.held > 0) f.breakdown.emplace_back("text", text.held);
  if (text.teacher > 0) f.breakdown.emplace_back("teacher", text.teacher);
  if (reading > 0) f.breakdown.emplace_back("reading the text", reading);
  f.breakdown.emplace_back("outside", process);
  return f;
}

namespace {

Forecast forecast_of(const JobPlan& job, const Model& model) {
  return forecast_memory(job, largest_turned_bytes(model.impl().specs), {}, &model.impl().store);
}

}  // namespace

std::int64_t bytes_beside(const JobPlan& job, const Model& model) {
  return forecast_of(job, model).peak_bytes - process_bytes;
}

std::int64_t bytes_beside_mapped(const JobPlan& job, const Model& model) {
  const Forecast f = forecast_of(job, model);
  return f.peak_bytes - f.mapped_bytes - bare_process_bytes(job.options().threads);
}

std::int64_t planning_bytes(const JobPlan& job) {
  return process_bytes + plans_at_a_time * programs_bytes(job);
}

void add_planning(Forecast& f, std::int64_t bytes) {
  const std::int64_t more = bytes - f.peak_bytes;
  if (more <= 0) return;
  f.outside_bytes += more;
  f.peak_bytes += more;
  f.breakdown.emplace_back("planning", more);
}

double step_flops(const TrainPlan::Impl& plan) {
  double flops = 0;
  for (const MicroProgram& micro : plan.micro) {
    const Program& p = plan.job.programs()[micro.train];
    for (const Node& node : p.nodes) flops += node.op->cost(p, node).flops * micro.runs;
  }
  return flops;
}

Forecast with_time(const TrainPlan::Impl& plan) {
  const MachineLimits& limits =
      this_machine(plan.options.threads, plan.job.options().isa, probe_within(plan.forecast.arena_bytes));
  Forecast f = plan.forecast;
  NodeTimes times(plan.job.options(), plan.forecast.arena_bytes);
  f.step_ms = step_ms(plan, [&](const Program& p) { return times.ms(p); });
  f.limit_gflops =
      (plan.options.precision == Precision::bf16 ? limits.bf16_gflops : limits.f32_gflops).median;
  return f;
}

}  // namespace hone
