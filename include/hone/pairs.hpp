// Pairs of texts, source and target, as training data for an encoder-decoder: a file of them, or a task that
// makes them, served by number.
//
//   const hone::Pairs pairs("task:dates", {.tokenizer = "char"});  // or "pairs.tsv", "pairs.jsonl"
//   for (std::int64_t n = 0; n < 1000; ++n) {
//     const hone::PairBatch batch = pairs.batch(n, 32);            // the same for the same n and seed
//     trainer.step(batch.samples(), {.lr = 1e-3f});
//   }
//
// Samples are what an encoder-decoder reads: "source" with "source_lengths", "target", and "labels".
//
// A file has a pair a line: SOURCE TAB TARGET (.tsv: UTF-8, no quotes, no header), or a JSON object
// (.jsonl); gzip or Zstandard may have packed it. Its last tenth is held out. A task has no end and needs no
// file: pair n is made from the seed and n, and what is held out is set apart by its answer, so that no
// training pair ever has it.
//
// A target is framed by the tokenizer's sequence_tokens(), which one that has none gets behind its ids: the
// decoder reads begin and the target, and learns the target and end. All pairs of a Pairs have one padded
// length, so a sample depends on itself alone; buckets() are shorter lengths that a TrainPlan may compute
// them at.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/samples.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

// What becomes of a pair that has more tokens than there are positions.
enum class TooLong {
  error,  // Error(input) with its line
  drop,   // it is left out, and notes() counts them
  cut,    // what is too much goes, from its end; a target that was cut has no end to learn
};
HONE_API const char* name(TooLong);
HONE_API TooLong too_long_from_name(const std::string& name);  // Error(usage) that lists them

// The tasks that make their pairs by themselves: "task:dates", "task:sums".
HONE_API std::vector<std::string> pair_task_names();

// May its lines be JSON? Those of a task and of a name with .tsv are not.
HONE_API bool may_be_json_pairs(const std::string& what);

struct PairOptions {
  std::string tokenizer{};      // byte, char (of both halves), a tokenizer.json or its folder; empty: byte
  std::int64_t source_seq = 0;  // positions of a source; 0: as many as the longest takes
  std::int64_t seq = 0;         // positions of a target, its begin or end included; 0: the longest's
  TooLong too_long = TooLong::error;
  // Members of a line of JSON; empty: source and target, src and tgt, or input and output. Looked for in
  // "translation", too, where that is an object: {"translation": {"en": .., "de": ..}}.
  std::string source_field{}, target_field{};
  std::uint64_t seed = 0;  // of the order of a file's pairs, of the pairs of a task
};

// Rows of ids: source [pairs, source_seq], lengths [pairs], target and labels [pairs, seq]. What is beyond a
// text is padding; labels there are -100.
struct PairBatch {
  std::int64_t pairs = 0;
  std::vector<std::int32_t> source{}, source_lengths{}, target{}, labels{};

  HONE_API Samples samples() const;      // views of this, by the names of the network's inputs
  HONE_API std::int64_t tokens() const;  // labels that count
};

class HONE_API Pairs {
 public:
  // A file, or one of pair_task_names(). Error(input) names file and line of a pair that lacks a half, has a
  // third column, is no JSON, or is too long.
  explicit Pairs(const std::string& what, const PairOptions& options = {});
  Pairs(const std::string& what, const Tokenizer& tokenizer, const PairOptions& options = {});
  Pairs(const Pairs&) = default;  // shares; a move copies
  Pairs(Pairs&& other) noexcept { impl_ = other.impl_; }
  Pairs& operator=(const Pairs&) = default;

  // The same pairs at other lengths (0: as many as the longest takes).
  Pairs with_lengths(std::int64_t source_seq, std::int64_t seq) const;

  const std::string& path() const;                // as it was named
  const Tokenizer& tokenizer() const;             // has all sequence_tokens()
  const std::vector<std::string>& notes() const;  // what a person should hear, a line each
  std::int64_t vocab_size() const;
  std::int64_t source_seq() const;
  std::int64_t seq() const;
  bool endless() const;              // a task's
  std::int64_t train_pairs() const;  // 0 where they are endless
  std::int64_t held_out_pairs() const;
  // Lengths for TrainPlanOptions::buckets, by what the pairs take (of a task, those that are held out); none
  // where they are too much alike to spare a tenth of the positions.
  std::vector<LengthBucket> buckets() const;
  std::string digest() const;         // 32 hex digits of all tokens, or of the task
  std::int64_t memory_bytes() const;  // that they take here

  // Error(input) where no pair is left to train on, or none to hold out: of one pair in all, or where others
  // were dropped. Evaluating `all` needs neither.
  void require_both_parts() const;

  // Step n's pairs: each pass over a file takes them in a drawn order. Error(usage) for numbers that are out
  // of range, Error(input) where none is left to train on.
  PairBatch batch(std::int64_t n, std::int64_t pairs) const;
  PairBatch batch(std::int64_t n, std::int64_t pairs, std::int64_t first, std::int64_t count) const;
  PairBatch held_out(std::int64_t first, std::int64_t count) const;
  // Of all pairs of a file in order, for one that no training saw; the held-out ones are the last.
  PairBatch all(std::int64_t first, std::int64_t count) const;

 private:
  struct Impl;
  explicit Pairs(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace hone
