#include <algorithm>
#include <chrono>

#include "hone/bench.hpp"
#include "machine/limits.hpp"
#include "op/ops.hpp"
#include "run/generator_impl.hpp"

namespace hone {
namespace {

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// What a token reads of weights: those of its products, whole.
double product_weight_bytes(const Program& p) {
  double bytes = 0;
  for (const Node& node : p.nodes) {
    if (node.op == &op::linear)
      bytes += static_cast<double>(p[node.inputs[op::LinearInputs::weight]].type.bytes());
    if (node.op == &op::coded_linear)
      bytes += static_cast<double>(p[node.inputs[op::CodedLinearInputs::panels]].type.bytes());
  }
  return bytes;
}

}  // namespace

GenerateBench bench_generate(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                             int tokens) {
  constexpr int rounds = 5;
  const GeneratePlan plan(model, options);
  Generator generator(plan);
  const std::vector<std::int32_t> prompt(static_cast<std::size_t>(prompt_tokens), 1);
  const std::span<const std::int32_t> one = std::span(prompt).first(1);
  generator.append(prompt);  // to warm up
  GenerateBench result;
  std::vector<double> prefill, decode;
  for (int round = 0; round < rounds; ++round) {
    generator.reset();
    prefill.push_back(static_cast<double>(prompt_tokens) / seconds_of([&] { generator.append(prompt); }));
    const auto step = [&] {
      for (int i = 0; i < tokens; ++i) generator.append(one);
    };
    decode.push_back(tokens / seconds_of(step));
  }
  result.prefill_tokens_per_s = spread_of(prefill);
  result.decode_tokens_per_s = spread_of(decode);
  const auto& job = plan.impl().job;
  const ExecOptions& exec = job.options();
  result.token_bytes = product_weight_bytes(job.programs()[plan.impl().chunk_tokens.size() - 1]);
  result.limit_gb_s = this_machine(exec.threads, exec.isa).read_gb_s;
  result.share_of_limit = result.token_bytes * result.decode_tokens_per_s.median / (result.limit_gb_s * 1e9);
  result.peak_bytes = plan.forecast().peak_bytes;
  generator.reset();
  generator.append(prompt);
  generator.profile(true);
  for (int i = 0; i < tokens; ++i) generator.append(one);
  for (const auto& [op, ms] : generator.profile_ms()) result.op_ms[op] = ms / tokens;
  return result;
}

}  // namespace hone
