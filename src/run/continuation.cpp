#include "run/continuation.hpp"

#include <algorithm>

#include "run/sampler.hpp"

namespace hone {

Continuation::Continuation(SamplingOptions sampling, std::optional<Tokenizer> tokenizer,
                           std::vector<std::int32_t> prompt, std::optional<std::int32_t> end)
    : sampling_(std::move(sampling)),
      tokenizer_(std::move(tokenizer)),
      prompt_(std::move(prompt)),
      end_(end),
      answer_(tokenizer_, sampling_.stop_strings) {}

bool Continuation::is_stop(std::int32_t token) const {
  const auto& stops = sampling_.stop_tokens;
  if (std::find(stops.begin(), stops.end(), token) != stops.end()) return true;
  if (!sampling_.stop_at_end_of_text) return false;
  return (tokenizer_ && tokenizer_->end_of_text() == token) || (end_ && *end_ == token);
}

BeamToken Continuation::draw(std::span<const float> logits, std::int64_t usable, std::int64_t position,
                             Executor& executor) const {
  std::span<const float> asked = logits.first(static_cast<std::size_t>(usable));
  std::vector<float> changed;
  if (sampling_.repetition_penalty != 1) {
    changed.assign(asked.begin(), asked.end());
    std::vector<std::int32_t> said = prompt_;
    said.insert(said.end(), drawn_.begin(), drawn_.end());
    penalize(changed, said, sampling_.repetition_penalty);
    asked = changed;
  }
  const std::int32_t token = hone::draw(candidates(asked, sampling_), sampling_.seed, position);
  const double p = log_probability(logits, token, executor.plan().options().isa, executor.pool());
  return {token, static_cast<float>(p)};
}

Finish Continuation::end_behind(std::int32_t token, std::int64_t position, std::int64_t context) const {
  if (is_stop(token)) return Finish::stop_token;
  if (std::ssize(drawn_) + 1 == sampling_.max_tokens) return Finish::length;
  return position == context ? Finish::context : Finish::running;
}

Finish Continuation::take(const BeamToken& token, Finish ends, Piece& piece) {
  drawn_.push_back(token.token);
  const bool says = !is_stop(token.token);
  text_ = answer_.add(says ? std::optional(token.token) : std::nullopt, ends != Finish::running);
  piece = {.token = token.token, .log_probability = token.log_probability, .text = text_};
  return answer_.stopped() ? Finish::stop_string : ends;
}

}  // namespace hone
