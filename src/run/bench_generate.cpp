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

// What a token reads of weights: those of its products, whole.
double product_weight_bytes(const Program& p) {
  constexpr struct {
    const OpRecord* op;
    std::size_t weight;
  } products[] = {{&op::linear, op::LinearInputs::weight},
                  {&op::coded_linear, op::CodedLinearInputs::panels},
                  {&op::block_linear, op::BlockLinearInputs::strips},
                  {&op::int8_linear, op::Int8LinearInputs::panels}};
  double bytes = 0;
  for (const Node& node : p.nodes)
    for (const auto& product : products)
      if (node.op == product.op) bytes += static_cast<double>(p[node.inputs[product.weight]].type.bytes());
  return bytes;
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

// How fast memory is read, in turns with what is measured: it goes from 28 to 63 GB/s within a minute on a
// machine with neighbours. The buffer is larger than most last-level caches, and in huge pages.
class ReadLimit {
 public:
  ReadLimit(int threads, Isa isa) : pool_(threads), isa_(isa) { std::ranges::fill(memory(), std::byte{1}); }
  void sample() {
    for (int i = 0; i < passes; ++i) samples_.push_back(read_gb_s(pool_, isa_, memory()));
  }
  Spread spread() const { return spread_of(samples_); }

 private:
  static constexpr int passes = 5;
  std::span<std::byte> memory() const { return {buffer_.data(), buffer_.size()}; }

  ThreadPool pool_;
  Isa isa_;
  Arena buffer_{traffic_probe_bytes};
  std::vector<double> samples_;
};

}  // namespace

GenerateSpeed generate_speed(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                             std::int64_t tokens, int rounds) {
  const std::int64_t context = options.context > 0 ? options.context : model.context();
  prompt_tokens = std::clamp<std::int64_t>(prompt_tokens, 1, std::max<std::int64_t>(1, context / 2));
  tokens = std::clamp<std::int64_t>(tokens, 1, std::max<std::int64_t>(1, context - prompt_tokens));
  GenerateOptions fitting = options;
  fitting.context = prompt_tokens + tokens;
  Generator generator{GeneratePlan(model, fitting)};
  return speed_of(generator, prompt_tokens, tokens, std::max(1, rounds));
}

GenerateBench bench_generate(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                             int tokens) {
  constexpr int rounds = 5;
  const GeneratePlan plan(model, options);
  Generator generator(plan);
  const ExecOptions& exec = plan.impl().job.options();
  ReadLimit limit(exec.threads, exec.isa);
  const GenerateSpeed speed = speed_of(generator, prompt_tokens, tokens, rounds, [&] { limit.sample(); });
  GenerateBench result;
  result.prefill_tokens_per_s = speed.prefill_tokens_per_s;
  result.decode_tokens_per_s = speed.decode_tokens_per_s;
  const auto& programs = plan.impl().job.programs();
  result.token_bytes = product_weight_bytes(programs[plan.impl().chunk_tokens.size() - 1]);
  result.limit_gb_s = limit.spread();
  result.share_of_limit =
      result.token_bytes * result.decode_tokens_per_s.median / (result.limit_gb_s.median * 1e9);
  result.peak_bytes = plan.forecast().peak_bytes;
  generator.reset();
  generator.append(prompt_of(prompt_tokens));
  generator.profile(true);
  write(generator, tokens);
  for (const auto& [op, ms] : generator.profile_ms()) result.op_ms[op] = ms / tokens;
  return result;
}

}  // namespace hone
