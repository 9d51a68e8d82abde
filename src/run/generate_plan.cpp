#include <algorithm>

#include "base/float_mode.hpp"
#include "machine/limits.hpp"
#include "model/model_impl.hpp"
#include "op/inputs.hpp"
#include "pass/pipeline.hpp"
#include "run/generator_impl.hpp"
#include "store/sparse_weight.hpp"
#include "store/tensor_train.hpp"
#include "train/forecast.hpp"

namespace hone {
namespace {

// Prompts go through in pieces of these sizes, so nothing is ever padded and the last row is the last
// position. Of 64 rows alone SmolLM2-135M's prompts of 512 took 1.15 (int8) to 1.6 (f32) times as long on Zen
// 5, for weights are packed, or expanded, once a piece; 512 rows gain 1 to 5 % more. The rest of a prompt
// costs at most 3 + 7 + 7 runs.
constexpr std::int64_t chunk_sizes[] = {256, 64, 8, 1};
constexpr std::int64_t cache_block_positions = 64;

// A model without a limit of its own gets this one, where nobody says another.
constexpr std::int64_t usual_context = 512, most_context = std::int64_t{1} << 20;
constexpr std::int64_t most_beams = 64, most_sequences = 1024;

void require(bool good, const char* where, const char* what, std::int64_t most, std::int64_t found) {
  if (!good)
    throw Error(ErrorKind::usage, {.what = what,
                                   .where = where,
                                   .expected = "1 to " + std::to_string(most),
                                   .found = std::to_string(found)});
}

std::int64_t decided_context(const Model& model, const char* where, std::int64_t asked) {
  const std::int64_t most = model.context() ? model.context() : most_context;
  require(asked >= 0 && asked <= most, where, "it does not fit the model's", most, asked);
  return asked ? asked : model.context() ? model.context() : usual_context;
}

GenerateOptions decided(const Model& model, const Reads& reads, GenerateOptions o) {
  o.context = decided_context(model, "context", o.context);
  if (reads.source()) o.source_context = decided_context(model, "source_context", o.source_context);
  require(o.beams >= 1 && o.beams <= most_beams, "beams", "so many beams are not searched", most_beams,
          o.beams);
  const std::int64_t most = o.beams > 1 || reads.source() ? 1 : most_sequences;
  require(o.sequences >= 1 && o.sequences <= most, "sequences",
          most > 1 ? "so many sequences are not continued side by side"
                   : "beams, and targets of sources, are not continued side by side",
          most, o.sequences);
  const ExecOptions exec = exec_options(o.threads, o.isa);
  o.threads = exec.threads;
  o.isa = name(exec.isa);
  return o;
}

// Of the inputs that the network declares: `tokens`, or `source`, `source_lengths` and `target`.
Reads what_it_reads(const Model& model) {
  const Program p = model.impl().write({.batch = 1, .seq = 1}).program;
  if (!p.output("logits"))
    throw Error(ErrorKind::usage, {.what = "the network has no logits, so it generates nothing",
                                   .expected = "an output 'logits'"});
  std::set<std::string> names;
  for (const TensorId id : p.inputs())
    if (of_batch(p[id].input.meaning)) names.insert(p[id].name);
  const std::string source = input::named("source");
  if (names == std::set<std::string>{input::tokens}) return {.tokens = "tokens"};
  if (names == std::set{source, input::named("source_lengths"), input::named("target")})
    return {.tokens = "target", .source_below = p[p.input(source)].input.below};
  std::string found;
  for (const std::string& name : names) found += (found.empty() ? "" : ", ") + name.substr(1);
  throw Error(ErrorKind::usage, {.what = "the network has inputs that generation does not know",
                                 .expected = "tokens, or source, source_lengths and target",
                                 .found = found.empty() ? "none" : found});
}

// What all programs of one plan have in common: a cache for all beams or sequences, and room for one source.
BuildOptions cached(const GenerateOptions& o) {
  const std::int64_t blocks = (o.context + cache_block_positions - 1) / cache_block_positions;
  BuildOptions options{.cached = true,
                       .cache = {.block = cache_block_positions,
                                 .blocks_a_sequence = blocks,
                                 .sequences = std::max(o.beams, o.sequences),
                                 .source_rows = o.source_context,
                                 .coded = o.cache == CacheType::int8},
                       .longest = o.context};
  if (o.source_context) options.sizes["source_seq"] = o.source_context;
  return options;
}

Program settled(Program p, const Model& model, const GenerateOptions& o, std::int64_t alike_rows = 0) {
  run_pipeline(p, {.use = PipelineOptions::Use::generate,
                   .products = dtype_of(o.precision),
                   .stored = model.impl().store.stored_types(),
                   .cores = core_indices(model.impl().store.trees()),
                   .sparse = sparse_indices(model.impl().store.trees(), isa_from_name(o.isa)),
                   .int8 = o.int8,
                   .stored_only = true,
                   .alike_rows = alike_rows});
  return p;
}

// Reads so many tokens of each of some sequences; leaves the logits behind the last.
Program write_chunk(const Model& model, const GenerateOptions& o, std::int64_t sequences,
                    std::int64_t tokens) {
  BuildOptions options = cached(o);
  options.batch = sequences, options.seq = tokens;
  // Sequences side by side have the bits that each has alone; beams are compared with each other only.
  const bool alike = o.sequences > 1 && tokens == 1;
  return settled(model.impl().write(options).program, model, o, alike ? o.sequences : 0);
}

// Reads a source of up to so many positions; leaves its keys and values.
Program write_source(const Model& model, const GenerateOptions& o, std::int64_t rows) {
  BuildOptions options = cached(o);
  options.encodes = true;
  options.sizes["source_seq"] = rows;
  Program p = model.impl().write(options).program;
  p.outputs.clear();
  return settled(std::move(p), model, o);
}

// A source is padded to the next of these: at most four times its positions.
std::vector<std::int64_t> source_buckets(std::int64_t context) {
  std::vector<std::int64_t> rows;
  for (std::int64_t n = 16; n < context; n *= 4) rows.push_back(n);
  rows.push_back(context);
  return rows;
}

// A token reads the weights and the cache once: bytes at the speed of reading, of which gpt2 reached 0.83
// with an empty cache and 0.75 with a full one (f32 and bf16, one and two threads, Zen 5); most nodes have no
// parallel loop. A model that fits into the last-level cache is faster: nano up to twice.
double token_ms(const Program& p, const MachineLimits& limits) {
  return program_ms(p, limits, {.memory_gb_s = 0.78 * limits.read_gb_s, .node_ms = 1e-3});
}

}  // namespace

namespace {

struct Written {
  std::vector<std::int64_t> chunk_tokens, source_rows;
  std::vector<Program> whole;  // in the order of GeneratePlan::Impl
};

Written write_all(const Model& model, const Reads& reads, const GenerateOptions& o) {
  Written all;
  for (const std::int64_t tokens : chunk_sizes) {
    if (tokens > o.context || (reads.source() && tokens > 1)) continue;  // a target begins with one token
    all.chunk_tokens.push_back(tokens);
    all.whole.push_back(write_chunk(model, o, 1, tokens));
  }
  if (const auto rows = std::max(o.beams, o.sequences); rows > 1)
    all.whole.push_back(write_chunk(model, o, rows, 1));
  if (reads.source()) all.source_rows = source_buckets(o.source_context);
  for (const std::int64_t rows : all.source_rows) all.whole.push_back(write_source(model, o, rows));
  return all;
}

}  // namespace

CacheType cache_type_from_name(const std::string& given) {
  for (const CacheType type : {CacheType::same, CacheType::int8})
    if (given == name(type)) return type;
  throw Error(ErrorKind::usage, {.what = "no such type of a cache",
                                 .where = "cache_type",
                                 .expected = "same (as --precision) or int8",
                                 .found = given});
}
const char* name(CacheType type) { return type == CacheType::int8 ? "int8" : "same"; }

GeneratePlan::GeneratePlan(Model model, GenerateOptions options) {
  const FloatModeGuard guard;
  Reads reads = what_it_reads(model);
  options = decided(model, reads, std::move(options));
  Written all = write_all(model, reads, options);
  std::vector<Program> programs;
  std::set<std::string> weights;
  for (const Program& p : all.whole) {
    programs.push_back(cut(p, Phase::micro));
    weights.merge(weight_names(programs.back()));
  }
  JobPlan job(std::move(programs), exec_options(options.threads, options.isa), weights);
  // Chunks have the same weights, and so have sources.
  std::vector<Program> whole{all.whole.front()};
  if (reads.source()) whole.push_back(all.whole.back());
  const std::size_t one_token = all.chunk_tokens.size() - 1;
  auto impl = std::make_shared<Impl>(Impl{std::move(model),
                                          std::move(options),
                                          std::move(reads),
                                          std::move(all.chunk_tokens),
                                          std::move(all.source_rows),
                                          std::move(whole),
                                          std::move(job),
                                          {}});
  // Weights are turned into their place: 8 MiB were kept where the largest has 16.
  impl->forecast = forecast_memory(impl->job, largest_turned_bytes(impl->model.impl().specs) / 2, {},
                                   &impl->model.impl().store);
  const ExecOptions& exec = impl->job.options();
  const std::int64_t probe = probe_within(impl->forecast.arena_bytes);
  impl->forecast.step_ms =
      token_ms(impl->job.programs()[one_token], this_machine(exec.threads, exec.isa, probe));
  impl_ = std::move(impl);
}

const Forecast& GeneratePlan::forecast() const { return impl_->forecast; }
const Model& GeneratePlan::model() const { return impl_->model; }
const GenerateOptions& GeneratePlan::options() const { return impl_->options; }

std::string GeneratePlan::print() const {
  std::string s;
  const auto add = [&](std::size_t program, const std::string& title) {
    s += "# " + title + "\n" + impl_->job.print(program);
  };
  for (std::size_t i = 0; i < impl_->chunk_tokens.size(); ++i) {
    const std::int64_t tokens = impl_->chunk_tokens[i];
    add(i, std::to_string(tokens) + (tokens == 1 ? " token" : " tokens"));
  }
  if (impl_->rows() > 1)
    add(impl_->step_program(),
        impl_->options.beams > 1 ? "a token of each beam" : "a token of each sequence");
  for (std::size_t i = 0; i < impl_->source_rows.size(); ++i)
    add(impl_->first_source_program() + i, "a source of up to " + std::to_string(impl_->source_rows[i]));
  return s;
}

}  // namespace hone
