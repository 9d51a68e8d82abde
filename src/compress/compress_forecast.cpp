#include "compress/compress_forecast.hpp"

#include <algorithm>

#include "exec/job.hpp"
#include "model/model_impl.hpp"
#include "run/generator_impl.hpp"
#include "run/measured_jobs.hpp"
#include "train/forecast.hpp"

namespace hone {
namespace {

// What is read where it lies in a file is resident once it was read.
std::int64_t mapped_bytes(const Model& model) {
  const WeightStore& store = model.impl().store;
  std::int64_t bytes = 0;
  for (const ParameterSpec& spec : stored_weights(model))
    if (store.is_mapped(spec)) bytes += TensorType{spec.shape, spec.dtype}.bytes();
  return bytes > 0 ? bytes + store.mapped_beside_bytes() : 0;
}

std::int64_t largest_elements(const Model& model) {
  std::int64_t most = 0;
  for (const ParameterSpec& spec : model.impl().specs) most = std::max(most, spec.shape.elements());
  return most;
}

// What the C library keeps of what was freed, beside a fiftieth: blocks below its threshold for pages of
// their own.
constexpr std::int64_t most_kept = std::int64_t{16} << 20;

// Both models at once. Weights of the second lie where they were made, but those of files that are turned;
// those that nobody made it holds once more.
std::int64_t comparing_bytes(const Compressed& of, const WorkMemory& work, std::int64_t positions) {
  const Text* const text = of.measured ? of.measured : of.learned;
  if (!text) return 0;
  const ComparedJobs jobs = compared_jobs(of.model, of.model, *text, comparison_of(of.options, positions));
  const bool turned = largest_turned_bytes(of.model.impl().specs) > 0;
  const std::int64_t unchanged = std::max<std::int64_t>(0, jobs.after.held_bytes() - work.replaced);
  return bytes_beside_mapped(jobs.before, of.model) + jobs.after.arena_bytes() + work.made + work.expanded +
         unchanged + (turned ? work.made : 0);
}

// One after the other; products of codes are laid out anew.
std::int64_t speed_bytes(const Compressed& of, const WorkMemory& work) {
  const std::int64_t tokens = of.options.speed_tokens;
  if (tokens < 1 || of.model.reads_source() || !(of.measured || of.learned)) return 0;
  const SpeedRun run = speed_run(of.model, {.threads = of.options.threads, .isa = of.options.isa}, tokens,
                                 std::max<std::int64_t>(1, tokens / 4));
  return work.made + std::max(bytes_beside_mapped(GeneratePlan(of.model, run.options).impl().job, of.model),
                              2 * work.made + work.expanded);
}

}  // namespace

CompareOptions comparison_of(const CompressOptions& o, std::int64_t positions) {
  return {.threads = o.threads,
          .isa = o.isa,
          .max_tokens = o.max_eval_tokens,
          .held_out_only = o.eval_data.empty(),
          .positions = positions,
          .progress = o.progress};
}

Forecast compress_forecast(const Compressed& of, const WorkMemory& work, std::int64_t positions) {
  const ExecOptions exec = exec_options(of.options.threads, of.options.isa);
  std::int64_t text = 0, reading = 0;
  for (const Text* one : {of.learned, of.measured})
    if (one) text += one->memory_bytes(), reading = std::max(reading, one->reading_bytes());
  const std::pair<const char*, std::int64_t> phases[] = {
      {"the work", work.working},
      {"the comparison", comparing_bytes(of, work, positions)},
      {"writing", work.made + work.writing},
      {"the measure of speed, which speed_tokens 0 leaves out", speed_bytes(of, work)},
      {"reading the text", reading}};
  const auto& most = *std::ranges::max_element(phases, {}, [](const auto& phase) { return phase.second; });
  const std::int64_t kept = std::min(most_kept, 4 * largest_elements(of.model)) + most.second / 50;
  Forecast f{.arena_bytes = most.second,
             .mapped_bytes = mapped_bytes(of.model),
             .outside_bytes = bare_process_bytes(exec.threads) + text + kept};
  f.peak_bytes = f.arena_bytes + f.mapped_bytes + f.outside_bytes;
  f.breakdown = {{most.first, most.second},
                 {"mapped weights", f.mapped_bytes},
                 {"text", text},
                 {"outside", f.outside_bytes - text}};
  return f;
}

}  // namespace hone
