// A training run over pairs: how long they are, in batches, and what an evaluation looks at.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "train/training_data.hpp"

namespace hone {
namespace {

HeldSamples held(PairBatch batch) {
  const auto memory = std::make_shared<const PairBatch>(std::move(batch));
  return {memory->samples(), memory};
}

HeldSamples spread_pairs(const Pairs& pairs, std::int64_t first, std::int64_t count, std::int64_t of) {
  PairBatch some;
  for (std::int64_t i = first; i < first + count; ++i) {
    const PairBatch one = pairs.held_out(i * pairs.held_out_pairs() / of, 1);
    const auto append = [&](std::vector<std::int32_t> PairBatch::*ids) {
      (some.*ids).insert((some.*ids).end(), (one.*ids).begin(), (one.*ids).end());
    };
    append(&PairBatch::source), append(&PairBatch::source_lengths);
    append(&PairBatch::target), append(&PairBatch::labels);
    some.pairs += one.pairs;
  }
  return held(std::move(some));
}

// `said`: how many of the notes were said before.
SampleSet samples_of(const Pairs& pairs, std::int64_t batch, std::size_t said) {
  pairs.require_both_parts();
  const std::vector<std::string>& notes = pairs.notes();
  const std::int64_t evaluated = evaluated_samples(pairs.held_out_pairs(), pairs.seq());
  return {.batch = [=](std::int64_t n) { return held(pairs.batch(n, batch)); },
          .evaluated = evaluated,
          .held_out = [=](std::int64_t first,
                          std::int64_t count) { return spread_pairs(pairs, first, count, evaluated); },
          .notes = {notes.begin() + static_cast<std::ptrdiff_t>(said), notes.end()}};
}

// What the run says, else what the longest takes, as far as the model goes.
std::int64_t decided(std::int64_t said, std::int64_t longest, std::int64_t context) {
  if (said != 0) return said;
  return context > 0 ? std::min(longest, context) : longest;
}

std::int64_t checked_source(std::int64_t source_seq, std::int64_t context) {
  const std::int64_t most = context > 0 ? context : std::numeric_limits<std::int32_t>::max();
  if (source_seq < 1 || source_seq > most)
    throw Error(ErrorKind::usage, {.what = "it does not fit the model's context",
                                   .where = source_size,
                                   .expected = fmt::format("1 to {}", most),
                                   .found = std::to_string(source_seq)});
  return source_seq;
}

// What was read, not how it was asked for: where nothing is too long, all ways to treat that are one. Pairs
// that were dropped are missing from the counts, and of those that were cut the lengths tell.
std::string identity_of(const Pairs& pairs) {
  const std::string count =
      pairs.endless() ? "" : fmt::format("{} and {} pairs, ", pairs.train_pairs(), pairs.held_out_pairs());
  return count + "digest " + pairs.digest();
}

// The pairs at the lengths of a plan.
Pairs planned(const Pairs& pairs, const TrainPlan& plan) {
  return pairs.with_lengths(plan.options().sizes.at(source_size), plan.seq());
}

}  // namespace

TrainingData pair_data(const TrainingRun& run, const Pairs& pairs) {
  pairs.require_both_parts();
  const std::int64_t batch_bytes = 4 * run.plan.batch * (pairs.source_seq() + 1);  // beside target and labels
  return {
      .kind = pairs_kind,
      .tokenizer = pairs.tokenizer(),
      .notes = pairs.notes(),
      .memory_bytes = pairs.memory_bytes() + batch_bytes,
      .reading_bytes = 0,
      .identity = [=](const TrainPlan& plan) { return identity_of(planned(pairs, plan)); },
      .of_its_own = pairs.endless(),
      .lengths =
          [=, seq = run.plan.seq, source_seq = run.source_seq, sizes = run.plan.sizes](std::int64_t context) {
            Lengths lengths{decided(seq, pairs.seq(), context), sizes};
            const std::int64_t source = decided(source_seq, pairs.source_seq(), context);
            lengths.sizes[source_size] = checked_source(source, context);
            return lengths;
          },
      .buckets =
          [=](const Lengths& lengths) {
            return pairs.with_lengths(lengths.sizes.at(source_size), lengths.seq).buckets();
          },
      .counts_hits = true,
      .frame = pairs.tokenizer().sequence_tokens(),
      .samples =
          [=](const TrainPlan& plan) {
            return samples_of(planned(pairs, plan), plan.batch(), pairs.notes().size());
          }};
}

}  // namespace hone
