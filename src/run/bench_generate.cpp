#include <algorithm>
#include <chrono>
#include <functional>
#include <span>

#include "base/arena.hpp"
#include "base/thread_pool.hpp"
#include "hone/bench.hpp"
#include "machine/limits.hpp"
#include "machine/yardstick.hpp"
#include "op/product_ops.hpp"
#include "run/generator_impl.hpp"

namespace hone {
namespace {

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct ProductOp {
  const OpRecord* op;
  std::size_t weight;  // which input
  bool whole_numbers;
};
constexpr ProductOp products[] = {{&op::linear, op::LinearInputs::weight, false},
                                  {&op::coded_linear, op::CodedLinearInputs::panels, true},
                                  {&op::block_linear, op::BlockLinearInputs::strips, false},
                                  {&op::int8_linear, op::Int8LinearInputs::panels, true}};

// What a program's products take: bytes of weights that it reads, each whole, and operations.
struct ProductWork {
  double bytes = 0, operations = 0, whole_operations = 0;
};
ProductWork product_work(const Program& p) {
  ProductWork work;
  for (const Node& node : p.nodes)
    for (const ProductOp& product : products)
      if (node.op == product.op) {
        const double operations = node.op->cost(p, node).flops;
        work.bytes += static_cast<double>(p[node.inputs[product.weight]].type.bytes());
        work.operations += operations;
        work.whole_operations += product.whole_numbers ? operations : 0;
      }
  return work;
}

// Of all pieces of a prompt.
ProductWork prompt_work(const GeneratePlan::Impl& plan, std::int64_t tokens) {
  ProductWork all;
  for (std::size_t piece = 0; tokens > 0; tokens -= plan.chunk_tokens[piece]) {
    while (plan.chunk_tokens[piece] > tokens) ++piece;
    const ProductWork work = product_work(plan.job.programs()[piece]);
    all.operations += work.operations, all.whole_operations += work.whole_operations;
  }
  return all;
}

std::vector<std::int32_t> prompt_of(std::int64_t tokens) {
  return std::vector<std::int32_t>(static_cast<std::size_t>(tokens), 1);
}

void write(Generator& generator, std::int64_t tokens) {
  const std::vector<std::int32_t> one = prompt_of(1);
  for (std::int64_t i = 0; i < tokens; ++i) generator.append(one);
}

// `between` is called before each round.
GenerateSpeed speed_of(
    Generator& generator, std::int64_t prompt_tokens, std::int64_t tokens, int rounds,
    const std::function<void()>& between = [] {}) {
  const std::vector<std::int32_t> prompt = prompt_of(prompt_tokens);
  generator.append(prompt);  // to warm up
  std::vector<double> prefill, decode;
  for (int round = 0; round < rounds; ++round) {
    between();
    generator.reset();
    prefill.push_back(static_cast<double>(prompt_tokens) / seconds_of([&] { generator.append(prompt); }));
    decode.push_back(static_cast<double>(tokens) / seconds_of([&] { write(generator, tokens); }));
  }
  return {spread_of(prefill), spread_of(decode)};
}

// How fast memory is read and multiply-adds go, in turns with what is measured: memory goes from 28 to 63
// GB/s within a minute on a machine with neighbours. The buffer is larger than most last-level caches, and in
// huge pages.
class Limits {
 public:
  Limits(const ExecOptions& exec, Arithmetic kind) : pool_(exec.threads), isa_(exec.isa), kind_(kind) {
    std::ranges::fill(memory(), std::byte{1});
  }
  void sample() {
    for (int i = 0; i < passes; ++i) read_.push_back(read_gb_s(pool_, isa_, memory()));
    gops_.push_back(sustained_gops(pool_, isa_, kind_, 0.02));
  }
  Spread read() const { return spread_of(read_); }
  Spread gops() const { return spread_of(gops_); }

 private:
  static constexpr int passes = 5;
  std::span<std::byte> memory() const { return {buffer_.data(), buffer_.size()}; }

  ThreadPool pool_;
  Isa isa_;
  Arithmetic kind_;
  Arena buffer_{traffic_probe_bytes};
  std::vector<double> read_, gops_;
};

std::map<std::string, double> profiled(Generator& generator, double times, const auto& work) {
  generator.profile(true);
  work();
  std::map<std::string, double> op_ms;
  for (const auto& [op, ms] : generator.profile_ms()) op_ms[op] = ms / times;
  generator.profile(false);
  return op_ms;
}

}  // namespace

SpeedRun speed_run(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                   std::int64_t tokens) {
  const std::int64_t context = options.context > 0 ? options.context : model.context();
  SpeedRun run{.options = options};
  run.prompt_tokens = std::clamp<std::int64_t>(prompt_tokens, 1, std::max<std::int64_t>(1, context / 2));
  run.tokens = std::clamp<std::int64_t>(tokens, 1, std::max<std::int64_t>(1, context - run.prompt_tokens));
  run.options.context = run.prompt_tokens + run.tokens;
  return run;
}

GenerateSpeed generate_speed(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                             std::int64_t tokens, int rounds) {
  const SpeedRun run = speed_run(model, options, prompt_tokens, tokens);
  Generator generator{GeneratePlan(model, run.options)};
  return speed_of(generator, run.prompt_tokens, run.tokens, std::max(1, rounds));
}

GenerateBench bench_generate(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                             int tokens) {
  constexpr int rounds = 5;
  const GeneratePlan plan(model, options);
  Generator generator(plan);
  const ProductWork prompt = prompt_work(plan.impl(), prompt_tokens);
  Limits limits(plan.impl().job.options(), prompt.whole_operations > prompt.operations / 2 ? Arithmetic::int8
                                           : options.precision == Precision::bf16          ? Arithmetic::bf16
                                                                                           : Arithmetic::f32);
  const GenerateSpeed speed = speed_of(generator, prompt_tokens, tokens, rounds, [&] { limits.sample(); });
  GenerateBench result;
  result.prefill_tokens_per_s = speed.prefill_tokens_per_s;
  result.decode_tokens_per_s = speed.decode_tokens_per_s;
  const auto& programs = plan.impl().job.programs();
  result.token_bytes = product_work(programs[plan.impl().chunk_tokens.size() - 1]).bytes;
  result.limit_gb_s = limits.read();
  result.share_of_limit =
      result.token_bytes * result.decode_tokens_per_s.median / (result.limit_gb_s.median * 1e9);
  const double gops_a_rate = prompt.operations / static_cast<double>(prompt_tokens) * 1e-9;
  const Spread& rate = result.prefill_tokens_per_s;
  result.prefill_gops = {gops_a_rate * rate.median, gops_a_rate * rate.min, gops_a_rate * rate.max};
  result.prefill_limit_gops = limits.gops();
  result.prefill_share_of_limit = result.prefill_gops.median / result.prefill_limit_gops.median;
  result.peak_bytes = plan.forecast().peak_bytes;
  generator.reset();
  result.prefill_op_ms = profiled(generator, 1, [&] { generator.append(prompt_of(prompt_tokens)); });
  result.op_ms = profiled(generator, tokens, [&] { write(generator, tokens); });
  return result;
}

}  // namespace hone
