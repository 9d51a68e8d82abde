#include "run/beams.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/cross_entropy.hpp"
#include "run/sampler.hpp"

namespace hone {

Beams::Beams(BeamOptions options, Isa isa, ThreadPool& pool)
    : options_(std::move(options)), isa_(isa), pool_(pool) {}

// The sum over the length to a power; an end token counts.
double Beams::score(const Sequence& s) const {
  return s.sum / std::pow(static_cast<double>(s.tokens.size()), static_cast<double>(options_.length_penalty));
}

void Beams::keep(Sequence sequence) {
  const double is = score(sequence);
  const auto at = std::ranges::find_if(ended_, [&](const Ended& e) { return e.score < is; });
  ended_.insert(at, {std::move(sequence), is});
  if (std::ssize(ended_) > options_.beams) ended_.pop_back();
}

std::vector<Beams::Candidate> Beams::best_candidates(std::span<const float> logits, std::int64_t sequences,
                                                     std::int64_t ids, std::size_t count) const {
  const std::int64_t width = std::ssize(logits) / sequences;
  const auto rows = static_cast<std::size_t>(sequences);
  const std::vector<std::int32_t> none(rows, kernel::ignored_label);
  std::vector<float> losses(rows), lse(rows);
  kernel::run(kernel::CrossEntropy{.rows = sequences,
                                   .V = width,
                                   .logits = {logits.data(), kernel::Element::f32},
                                   .stride = width,
                                   .labels = none.data(),
                                   .loss = losses.data(),
                                   .lse = lse.data()},
              isa_, pool_);
  std::vector<Candidate> all;
  for (std::size_t r = 0; r < live_.size(); ++r) {
    const auto row = logits.subspan(r * static_cast<std::size_t>(width), static_cast<std::size_t>(ids));
    for (const std::int32_t id : largest(row, std::min(count, row.size()))) {
      const double log_probability =
          static_cast<double>(row[static_cast<std::size_t>(id)]) - static_cast<double>(lse[r]);
      all.push_back({static_cast<std::int32_t>(r),
                     {id, static_cast<float>(log_probability)},
                     live_[r].sum + log_probability});
    }
  }
  // Equal sums stay in the order of beams and ids.
  std::ranges::stable_sort(all, [](const Candidate& a, const Candidate& b) { return a.sum > b.sum; });
  all.resize(std::min(count, all.size()));
  return all;
}

// Twice as many candidates as beams: at least half of them go on, where there is one stop token. One that
// ends counts where it stands among the first `beams`.
void Beams::advance(std::span<const float> logits, std::int64_t sequences, std::int64_t ids) {
  const auto beams = static_cast<std::size_t>(options_.beams);
  const auto candidates = best_candidates(logits, sequences, ids, 2 * beams);
  std::vector<Sequence> next;
  parents_.clear();
  tokens_.clear();
  for (std::size_t rank = 0; rank < candidates.size() && next.size() < beams; ++rank) {
    const Candidate& c = candidates[rank];
    const bool ends = options_.is_stop && options_.is_stop(c.next.token);
    if (ends && rank >= beams) continue;
    Sequence sequence = live_[static_cast<std::size_t>(c.parent)];
    sequence.tokens.push_back(c.next);
    sequence.sum = c.sum;
    if (ends) {
      keep(std::move(sequence));
      continue;
    }
    next.push_back(std::move(sequence));
    parents_.push_back(c.parent);
    tokens_.push_back(c.next.token);
  }
  live_ = std::move(next);
  if (live_.empty()) return;
  parents_.resize(beams, parents_.front());
  tokens_.resize(beams, tokens_.front());
}

bool Beams::done() const {
  if (live_.empty()) return true;
  if (std::ssize(ended_) < options_.beams) return false;
  return options_.early_stopping || ended_.back().score >= score(live_.front());
}

const Sequence& Beams::best() {
  if (!done())
    for (Sequence& sequence : live_) keep(std::move(sequence));
  live_.clear();
  return ended_.front().sequence;
}

}  // namespace hone
