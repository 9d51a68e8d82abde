// What a GeneratePlan and a Generator hold.
#pragma once
#include <algorithm>
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
  // The job's programs: chunks of one sequence, the largest first; a step of all beams or sequences, where
  // there are several; sources in buckets of so many positions, the smallest first.
  std::vector<std::int64_t> chunk_tokens, source_rows;
  std::vector<Program> whole;  // some of them before they were cut: say how all weights are derived
  JobPlan job;
  Forecast forecast;

  std::int64_t rows() const { return std::max(options.beams, options.sequences); }  // of such a step
  std::size_t step_program() const { return chunk_tokens.size() - (rows() > 1 ? 0 : 1); }
  std::size_t first_source_program() const { return chunk_tokens.size() + (rows() > 1 ? 1 : 0); }
};

struct Generator::Impl {
  explicit Impl(const GeneratePlan& p);

  GeneratePlan plan;
  ModelWeights weights;
  Executor executor;
  std::int64_t position = 0;          // tokens in the cache
  std::vector<std::int32_t> history;  // what they are, of a single sequence
  std::vector<float> restored;        // the logits behind them, where a file brought those
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
  // A step of all sequences, each by a token, from its own position.
  void step_sequences(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions);
  // Reads a prompt as that one of the sequences, with the bits that it would have alone. False: stopped.
  bool read_as(std::int64_t sequence, std::span<const std::int32_t> prompt, const std::stop_token& stop);
  std::span<const float> logits() const;  // of all sequences that were read last
  [[noreturn]] void refuse_logits();      // that are not finite
  std::int64_t logits_width() const;
  std::int64_t usable_ids(std::int64_t ids) const;  // of a tokenizer with so many, 0: without one
  std::vector<std::int32_t> prompt_of(std::span<const std::int32_t> prompt, const Tokenizer* tokenizer) const;
  // Forgets what follows the longest beginning that prompt and cache have in common, all but the last token
  // where logits are wanted anew; returns its length.
  std::int64_t keep_beginning(std::span<const std::int32_t> prompt);

 private:
  void run(std::size_t program, std::int64_t sequences, std::span<const std::int32_t> ids,
           std::vector<std::int32_t> positions = {});
};

using GeneratorInUse = InUse<Generator::Impl>;

bool all_finite(std::span<const float> logits);

// What generate_speed() runs: the context that a prompt and what is written behind it need.
struct SpeedRun {
  GenerateOptions options;
  std::int64_t prompt_tokens = 0, tokens = 0;
};
SpeedRun speed_run(const Model& model, const GenerateOptions& options, std::int64_t prompt_tokens,
                   std::int64_t tokens);

}  // namespace hone
