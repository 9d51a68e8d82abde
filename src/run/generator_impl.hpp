// What a GeneratePlan and a Generator hold.
#pragma once
#include <atomic>
#include <string>
#include <vector>

#include "base/in_use.hpp"
#include "exec/job.hpp"
#include "hone/generate.hpp"
#include "model/model_weights.hpp"

namespace hone {

// What a network reads: tokens that it continues, or a source to which it writes a target.
struct Reads {
  std::string tokens;             // the input of ids that are generated
  std::int64_t source_below = 0;  // ids of the source; 0: there is none
  bool source() const { return source_below > 0; }
};

struct GeneratePlan::Impl {
  Model model;
  GenerateOptions options;
  Reads reads;
  // The job's programs: chunks of one sequence, the largest first; a step of all beams, where there are
  // several; sources in buckets of so many positions, the smallest first.
  std::vector<std::int64_t> chunk_tokens, source_rows;
  std::vector<Program> whole;  // some of them before they were cut: say how all weights are derived
  JobPlan job;
  Forecast forecast;

  std::size_t beam_program() const { return options.beams > 1 ? chunk_tokens.size() : 0; }
  std::size_t first_source_program() const { return chunk_tokens.size() + (options.beams > 1 ? 1 : 0); }
};

struct Generator::Impl {
  explicit Impl(const GeneratePlan& p);

  GeneratePlan plan;
  ModelWeights weights;
  Executor executor;
  std::int64_t position = 0;  // tokens in the cache
  std::int32_t source_length = 0;
  std::size_t last_program = 0;  // that left the logits
  std::uint64_t uses = 0;        // changes whenever the cache is taken for something else
  Finish finish = Finish::length;
  std::atomic<bool> busy{false};
  static constexpr const char *type = "Generator", *noun = "generator";

  const GeneratePlan::Impl& planned() const { return plan.impl(); }
  void reset();
  void check_ids(std::span<const std::int32_t> ids) const;
  void check_source(std::span<const std::int32_t> ids) const;
  void read_source(std::span<const std::int32_t> ids);
  // Reads one chunk, the largest that fits; returns how many tokens that were.
  std::int64_t append_chunk(std::span<const std::int32_t> ids);
  // A step of all beams, each by a token; before it beam i takes over what parents[i] has in the cache.
  void step_beams(std::span<const std::int32_t> parents, std::span<const std::int32_t> tokens);
  std::span<const float> logits() const;  // of all sequences that were read last
  std::int64_t logits_width() const;

 private:
  void run(std::size_t program, std::int64_t sequences, std::span<const std::int32_t> ids);
};

using GeneratorInUse = InUse<Generator::Impl>;

}  // namespace hone
