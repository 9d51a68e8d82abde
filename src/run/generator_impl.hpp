// What a GeneratePlan and a Generator hold.
#pragma once
#include <atomic>
#include <string>
#include <vector>

#include "base/in_use.hpp"
#include "exec/job.hpp"
#include "hone/generate.hpp"
#include "run/load.hpp"

namespace hone {

struct GeneratePlan::Impl {
  Model model;
  GenerateOptions options;
  std::vector<std::int64_t> chunk_tokens;  // of the job's programs, in their order, the largest first
  Program whole;  // of the largest chunk, before it was cut: says how weights are derived
  JobPlan job;
  Forecast forecast;
};

struct Generator::Impl {
  explicit Impl(const GeneratePlan& p);

  GeneratePlan plan;
  ModelWeights weights;
  Executor executor;
  std::int64_t position = 0;     // tokens in the cache
  std::size_t last_program = 0;  // that left the logits
  std::uint64_t uses = 0;        // changes whenever the cache is taken for something else
  Finish finish = Finish::length;
  std::atomic<bool> busy{false};
  static constexpr const char *type = "Generator", *noun = "generator";

  const GeneratePlan::Impl& planned() const { return plan.impl(); }
  void reset();
  void check_ids(std::span<const std::int32_t> ids) const;
  // Reads one chunk, the largest that fits; returns how many tokens that were.
  std::int64_t append_chunk(std::span<const std::int32_t> ids);
  std::span<const float> logits() const;
};

using GeneratorInUse = InUse<Generator::Impl>;

// How many bytes of the text's start are whole characters: what is left may become one with the bytes to
// come.
std::size_t whole_characters(std::string_view text);

}  // namespace hone
