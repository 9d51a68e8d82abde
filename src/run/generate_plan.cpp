#include <algorithm>

#include "base/float_mode.hpp"
#include "machine/limits.hpp"
#include "model/model_impl.hpp"
#include "pass/pipeline.hpp"
#include "run/generator_impl.hpp"
#include "train/forecast.hpp"

namespace hone {
namespace {

// Prompts go through in pieces of these sizes, so nothing is ever padded and the last row is the last
// position. A product over 64 rows is near its best; the rest of a prompt costs at most 7 + 7 runs.
constexpr std::int64_t chunk_sizes[] = {64, 8, 1};
constexpr std::int64_t cache_block_positions = 64;

GenerateOptions decided(const Model& model, GenerateOptions o) {
  require_language_model(model);
  if (o.context < 0 || o.context > model.context())
    throw Error(ErrorKind::usage, {.what = "it does not fit the model's",
                                   .where = "context",
                                   .expected = "1 to " + std::to_string(model.context()),
                                   .found = std::to_string(o.context)});
  if (o.context == 0) o.context = model.context();
  const ExecOptions exec = exec_options(o.threads, o.isa);
  o.threads = exec.threads;
  o.isa = name(exec.isa);
  return o;
}

Program write_chunk(const Model& model, const GenerateOptions& o, std::int64_t tokens) {
  const std::int64_t blocks = (o.context + cache_block_positions - 1) / cache_block_positions;
  Program p = model.impl()
                  .write({.batch = 1,
                          .seq = tokens,
                          .cached = true,
                          .cache = {.block = cache_block_positions, .blocks_a_sequence = blocks}})
                  .program;
  if (!p.output("logits"))
    throw Error(ErrorKind::usage, {.what = "the network has no logits, so it generates nothing",
                                   .expected = "an output 'logits'"});
  run_pipeline(p, {.use = PipelineOptions::Use::generate, .products = dtype_of(o.precision)});
  return p;
}

// A token reads the weights and the cache once: bytes at the speed of reading, of which gpt2 reached 0.83
// with an empty cache and 0.75 with a full one (f32 and bf16, one and two threads, Zen 5); most nodes have no
// parallel loop. A model that fits into the last-level cache is faster: nano up to twice.
double token_ms(const Program& p, const MachineLimits& limits) {
  return program_ms(p, limits, {.memory_gb_s = 0.78 * limits.read_gb_s, .node_ms = 1e-3});
}

}  // namespace

GeneratePlan::GeneratePlan(Model model, GenerateOptions options) {
  const FloatModeGuard guard;
  options = decided(model, std::move(options));
  std::vector<std::int64_t> chunk_tokens;
  std::vector<Program> programs;
  Program whole;
  for (const std::int64_t tokens : chunk_sizes) {
    if (tokens > options.context) continue;
    chunk_tokens.push_back(tokens);
    Program chunk = write_chunk(model, options, tokens);
    programs.push_back(cut(chunk, Phase::micro));
    if (chunk_tokens.size() == 1) whole = std::move(chunk);
  }
  const std::set<std::string> weights = weight_names(programs.front());
  JobPlan job(std::move(programs), exec_options(options.threads, options.isa), weights);
  auto impl = std::make_shared<Impl>(Impl{
      std::move(model), std::move(options), std::move(chunk_tokens), std::move(whole), std::move(job), {}});
  // Weights are turned into their place: 8 MiB were kept where the largest has 16.
  impl->forecast = forecast_memory(impl->job, largest_turned_bytes(impl->model.impl().specs) / 2);
  const ExecOptions& exec = impl->job.options();
  const std::int64_t probe = probe_within(impl->forecast.arena_bytes);
  impl->forecast.step_ms = token_ms(impl->job.programs().back(), this_machine(exec.threads, exec.isa, probe));
  impl_ = std::move(impl);
}

const Forecast& GeneratePlan::forecast() const { return impl_->forecast; }
const Model& GeneratePlan::model() const { return impl_->model; }
const GenerateOptions& GeneratePlan::options() const { return impl_->options; }

std::string GeneratePlan::print() const {
  std::string s;
  for (std::size_t i = 0; i < impl_->chunk_tokens.size(); ++i) {
    const std::int64_t tokens = impl_->chunk_tokens[i];
    s += "# " + std::to_string(tokens) + (tokens == 1 ? " token\n" : " tokens\n") + impl_->job.print(i);
  }
  return s;
}

}  // namespace hone
