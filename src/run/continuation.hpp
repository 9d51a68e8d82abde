// One sequence that is being continued: what is drawn next, what its text is, and when it ends.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "run/answer_text.hpp"
#include "run/beams.hpp"
#include "run/generator_impl.hpp"

namespace hone {

class Continuation {
 public:
  Continuation(SamplingOptions sampling, std::optional<Tokenizer> tokenizer, std::vector<std::int32_t> prompt,
               std::optional<std::int32_t> end);

  const SamplingOptions& sampling() const { return sampling_; }
  const std::vector<std::int32_t>& prompt() const { return prompt_; }
  bool is_stop(std::int32_t token) const;
  // Of logits of all ids; only the first `usable` may be drawn.
  BeamToken draw(std::span<const float> logits, std::int64_t usable, std::int64_t position,
                 Executor& executor) const;
  // Takes a token as the next one; `ends`: why nothing follows it, else running. The piece's text stays until
  // the next call.
  Finish take(const BeamToken& token, Finish ends, Piece& piece);
  // Why a sequence of so many positions ends behind this token, which is not in the cache yet.
  Finish end_behind(std::int32_t token, std::int64_t position, std::int64_t context) const;

 private:
  SamplingOptions sampling_;
  std::optional<Tokenizer> tokenizer_;
  std::vector<std::int32_t> prompt_, drawn_;
  std::optional<std::int32_t> end_;  // the model's end token, of an encoder-decoder
  AnswerText answer_;
  std::string text_;
};

}  // namespace hone
