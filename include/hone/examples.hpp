// Examples for fine-tuning a language model: texts, prompts with their completions, or chats, served by
// number.
//
//   const hone::Examples examples("chats.jsonl", hone::Tokenizer::open("model"),
//                                 {.chat = hone::ChatTemplate::of_model("model")});
//   for (std::int64_t n = 0; n < 1000; ++n) {
//     const auto batch = examples.batch(n, 8);       // the same for the same n and seed
//     trainer.step(batch.samples(), {.lr = 1e-5f});  // labels are -100 where the loss does not look
//   }
//
// A file of JSON lines (packed or not) has an example a line: {"messages": [{"role": .., "content": ..},
// ..]}, rendered by the model's chat template (with "tools", where the line has some); {"prompt": ..,
// "completion":
// ..}, of texts, or of lists of messages; or {"text": ..}. The loss looks at what the assistant writes, at
// completions, and at texts. The last tenth of the examples is held out.
//
// What the assistant writes is where the template says {% generation %}; of one that does not, it is what
// each of its turns adds to the rendering, up to the token that ends the turn. Where a template writes a turn
// otherwise when others follow (Qwen 3 leaves earlier thoughts out), each turn of such a chat is an example
// of its own, which ends with it, and notes() count them.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/chat.hpp"
#include "hone/pairs.hpp"
#include "hone/text.hpp"

namespace hone {

struct ExampleOptions {
  std::optional<ChatTemplate> chat{};  // for lines with messages
  std::int64_t seq = 0;                // tokens of a sample; 0: as many as the longest example takes
  TooLong too_long = TooLong::error;   // what becomes of an example with more
  bool train_on_prompt = false;        // the loss looks at everything
  std::optional<std::int32_t> end{};   // ends a completion or a text; none: the tokenizer's end_of_text()
  // Several examples in a row of seq, where they fit: for models whose attention is kept within each
  // (hone/training_run.hpp). Held-out examples have rows of their own.
  bool packed = false;
  std::uint64_t seed = 0;  // of their order
};

// Rows of [batch, seq].
struct ExampleBatch {
  std::int64_t batch = 0, seq = 0;
  std::vector<std::int32_t> ids{}, labels{};
  std::vector<std::int32_t> positions{};  // of each token in its example; empty where no row holds two

  HONE_API std::int64_t tokens() const;  // labels that count
  HONE_API Samples samples() const;      // "tokens", "labels", "positions"
  operator BatchView() const { return {batch, seq, ids, labels}; }
};

// What a model sees of an example, piece by piece, for a person.
struct ShownPiece {
  std::string text{};
  bool trained = false;  // does the loss look at it?
};
struct ShownExample {
  std::int64_t line = 0, tokens = 0, trained_tokens = 0;
  std::vector<ShownPiece> pieces{};
};

class HONE_API Examples {
 public:
  // Are these JSON lines with prompts or messages? (Lines with "text" alone are documents: hone/text.hpp.)
  static bool are_in(const std::string& path);

  // Error(input) with file and line for one that is no such object, that the template refuses, or in which
  // the loss would look at nothing.
  Examples(const std::string& path, Tokenizer tokenizer, const ExampleOptions& options = {});
  Examples(const Examples&) = default;  // shares; a move copies
  Examples(Examples&& other) noexcept { impl_ = other.impl_; }
  Examples& operator=(const Examples&) = default;

  Examples with_length(std::int64_t seq) const;

  const std::string& path() const;
  const Tokenizer& tokenizer() const;
  const std::vector<std::string>& notes() const;  // what a person should hear, a line each
  std::int64_t seq() const;
  std::int64_t train_examples() const;
  std::int64_t held_out_examples() const;
  std::int64_t train_rows() const;    // of a pass: as many as examples, or fewer where they are packed
  std::string digest() const;         // 32 hex digits of all tokens and of what the loss looks at
  std::int64_t memory_bytes() const;  // that they take here

  // Step n's rows, padded to seq behind their end, which no position before it sees: each pass takes them in
  // a drawn order. Which examples share a row follows from the seed. Error(usage) for numbers that are out of
  // range.
  ExampleBatch batch(std::int64_t n, std::int64_t rows) const;
  ExampleBatch batch(std::int64_t n, std::int64_t rows, std::int64_t first, std::int64_t count) const;
  ExampleBatch held_out(std::int64_t first, std::int64_t count) const;
  ExampleBatch all(std::int64_t first, std::int64_t count) const;  // of the file, in its order

  std::vector<ShownExample> show(std::int64_t first, std::int64_t count) const;  // of the file, in its order

 private:
  struct Impl;
  explicit Examples(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace hone
