// Beam search over log probabilities: which sequences go on, by which token, and which of those that ended is
// the best. As Transformers' generate(num_beams=..) has it; knows nothing of a model or a cache.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "machine/isa.hpp"

namespace hone {

struct BeamOptions {
  std::int64_t beams = 1;
  float length_penalty = 1;
  bool early_stopping = false;
  std::function<bool(std::int32_t)> is_stop{};
};

struct BeamToken {
  std::int32_t token = 0;
  float log_probability = 0;
};
struct Sequence {
  std::vector<BeamToken> tokens{};  // a stop token that ended it is the last
  double sum = 0;                   // of their log probabilities
};

class Beams {
 public:
  Beams(BeamOptions options, Isa isa, ThreadPool& pool);

  // The logits of each sequence, [sequences,width], of which the first `ids` are tokens; at first of one.
  // Chooses the beams that go on, and keeps what ended.
  void advance(std::span<const float> logits, std::int64_t sequences, std::int64_t ids);
  // For the next step, of all beams: what each goes on from, and its token. Where fewer than `beams` go on,
  // the rest repeats the first.
  const std::vector<std::int32_t>& parents() const { return parents_; }
  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  // No sequence that goes on can become better than those that ended, or early_stopping has enough of them.
  bool done() const;
  // The best that ended; where not all that could has, of those that go on too.
  const Sequence& best();

 private:
  struct Ended {
    Sequence sequence;
    double score;
  };
  struct Candidate {
    std::int32_t parent;
    BeamToken next;
    double sum;
  };
  double score(const Sequence& sequence) const;
  void keep(Sequence sequence);
  std::vector<Candidate> best_candidates(std::span<const float> logits, std::int64_t sequences,
                                         std::int64_t ids, std::size_t count) const;

  BeamOptions options_;
  Isa isa_;
  ThreadPool& pool_;
  std::vector<Sequence> live_{Sequence{}};  // the best first
  std::vector<Ended> ended_{};              // the best first, as many as beams at most
  std::vector<std::int32_t> parents_{}, tokens_{};
};

}  // namespace hone
