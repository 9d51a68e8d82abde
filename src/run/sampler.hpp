// One token from logits.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/thread_pool.hpp"
#include "hone/generate.hpp"
#include "machine/isa.hpp"

namespace hone {

// Tokens that may be drawn and their probabilities, the most probable first. By: temperature; top_k (equal
// logits go by id); top_p; min_p. At temperature 0 the one with the largest logit, the first of equals. In
// double, serially, so that nothing depends on threads.
std::vector<std::pair<std::int32_t, double>> candidates(std::span<const float> logits,
                                                        const SamplingOptions&);

// SamplingOptions::repetition_penalty on the logits of these ids, each once; ids beyond the logits are passed
// over.
void penalize(std::span<float> logits, std::span<const std::int32_t> ids, float penalty);

// The ids of the k largest, the largest first; equal ones by id.
std::vector<std::int32_t> largest(std::span<const float> logits, std::size_t k);

// Draws one of them: by (seed, position).
std::int32_t draw(const std::vector<std::pair<std::int32_t, double>>& candidates, std::uint64_t seed,
                  std::int64_t position);

// log softmax(logits)[token]
double log_probability(std::span<const float> logits, std::int32_t token, Isa isa, ThreadPool& pool);

// Error(usage) for values out of range.
void check(const SamplingOptions&);

}  // namespace hone
