// The windows in which a text is evaluated: which tokens a model reads together, and which of them it
// predicts.
#pragma once
#include <cstdint>

#include "hone/model.hpp"
#include "hone/text.hpp"

namespace hone {

// How many positions have logits of at most 128 MiB in f32: 1 or more.
std::int64_t largest_positions(const Model& model);

// Error(usage), said of "max_tokens", for a number below 0.
void check_max_tokens(std::int64_t max_tokens);

// What is evaluated of a text: so many tokens, each predicted from those before it, the first from
// ids(first).
struct TextPart {
  std::int64_t first, predicted;
};
// max_tokens 0: all of it. Error(input) where no token follows another.
TextPart part_of(const Text& text, bool held_out_only, std::int64_t max_tokens);

// Tokens a window, `wanted` or (0) the context, at most 1024, 512 or 256 as the logits allow. Error(usage)
// where that exceeds the context.
std::int64_t decided_seq(const Model& model, const TextPart& part, std::int64_t wanted);

// Of a part, tokens [first, first + inputs) are read; what follows each of them is predicted, but for the
// first `known` of those, which an earlier window has predicted.
struct TextWindow {
  std::int64_t first, inputs, known;
};

// Without a stride windows read `seq` tokens each, one after the other, and predict what follows every one.
// With one they are `seq` tokens of text each, predicted ones too, and begin `stride` tokens apart; what two
// of them share is predicted by the first. (Hugging Face, "Perplexity of fixed-length models".)
class TextWindows {
 public:
  TextWindows(const TextPart& part, std::int64_t seq, std::int64_t stride)
      : predicted_(part.predicted), seq_(seq), stride_(stride) {}

  std::int64_t count() const;
  std::int64_t seq() const { return seq_; }
  TextWindow operator[](std::int64_t w) const;

 private:
  std::int64_t predicted_, seq_, stride_;
};

// Windows [first, first + count) as samples of seq() positions. What a window lacks is filled up behind it,
// where nothing that counts can see it.
Batch batch_of(const Text& text, const TextPart& part, const TextWindows& windows, std::int64_t first,
               std::int64_t count);

}  // namespace hone
