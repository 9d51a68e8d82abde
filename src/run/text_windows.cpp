#include "run/text_windows.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "ir/type.hpp"
#include "kernel/cross_entropy.hpp"

namespace hone {
namespace {

// Logits that do not go by chunks (pass/chunk_loss.cpp) exist whole; they are kept below this.
constexpr std::int64_t most_logits_bytes = std::int64_t{128} << 20;

}  // namespace

std::int64_t largest_positions(const Model& model) {
  return std::max<std::int64_t>(1, most_logits_bytes / (model.vocab_size() * size_bytes(DType::f32)));
}

void check_max_tokens(std::int64_t max_tokens) {
  if (max_tokens < 0)
    throw Error(ErrorKind::usage, {.what = "the number of tokens is out of range",
                                   .where = "max_tokens",
                                   .expected = "0 (all) or more",
                                   .found = std::to_string(max_tokens)});
}

TextPart part_of(const Text& text, bool held_out_only, std::int64_t max_tokens) {
  check_max_tokens(max_tokens);
  const std::int64_t tokens = held_out_only ? text.held_out_tokens() : text.all_tokens();
  if (tokens < 2)
    throw Error(ErrorKind::input, {.what = "the text has no token that follows another",
                                   .where = text.path() + (held_out_only ? ", held-out part" : ""),
                                   .expected = "2 tokens or more",
                                   .found = std::to_string(tokens)});
  const std::int64_t most = max_tokens > 0 ? max_tokens : tokens;
  return {text.all_tokens() - tokens, std::min(most, tokens - 1)};
}

std::int64_t decided_seq(const Model& model, const TextPart& part, std::int64_t wanted) {
  if (wanted != 0) {
    if (wanted < 0 || wanted > model.context())
      throw Error(ErrorKind::usage, {.what = "it does not fit the model's context",
                                     .where = "seq",
                                     .expected = "1 to " + std::to_string(model.context()),
                                     .found = std::to_string(wanted)});
    return wanted;
  }
  std::int64_t seq = 1024;
  while (seq > 256 && seq > largest_positions(model)) seq /= 2;
  return std::min({seq, model.context(), part.predicted});
}

std::int64_t TextWindows::count() const {
  if (!stride_) return (predicted_ + seq_ - 1) / seq_;
  return 1 + std::max<std::int64_t>(0, (predicted_ + 1 - seq_ + stride_ - 1) / stride_);
}

TextWindow TextWindows::operator[](std::int64_t w) const {
  if (!stride_) return {w * seq_, std::min(seq_, predicted_ - w * seq_), 0};
  const std::int64_t first = w * stride_, inputs = std::min(seq_ - 1, predicted_ - first);
  return {first, inputs, w == 0 ? 0 : std::max<std::int64_t>(0, seq_ - stride_ - 1)};
}

Batch batch_of(const Text& text, const TextPart& part, const TextWindows& windows, std::int64_t first,
               std::int64_t count) {
  const std::int64_t seq = windows.seq();
  Batch batch{.batch = count, .seq = seq};
  for (std::int64_t w = 0; w < count; ++w) {
    const TextWindow window = windows[first + w];
    const std::vector<std::int32_t> ids = text.ids(part.first + window.first, window.inputs + 1);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end() - 1);
    batch.labels.insert(batch.labels.end(), static_cast<std::size_t>(window.known), kernel::ignored_label);
    batch.labels.insert(batch.labels.end(), ids.begin() + 1 + window.known, ids.end());
    batch.ids.resize(static_cast<std::size_t>((w + 1) * seq), 0);
    batch.labels.resize(static_cast<std::size_t>((w + 1) * seq), kernel::ignored_label);
  }
  return batch;
}

}  // namespace hone
