// Steps whose samples are computed at lengths of their own.
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "data/length_buckets.hpp"
#include "hone/pairs.hpp"
#include "hone/train.hpp"
#include "kernel/cross_entropy.hpp"
#include "train/micro_batches.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 11, S = 24, T = 16, V = 20;

// Lengths that lie mixed, or by bucket; what is behind them is nobody's.
struct Ragged {
  std::vector<std::int32_t> source, lengths, target, labels;
  explicit Ragged(bool by_bucket) {
    Stream stream(stream_key("ragged", 0));
    const auto id = [&] { return static_cast<std::int32_t>(stream.below(V)); };
    for (std::int64_t i = 0; i < B; ++i) {
      const bool is_short = by_bucket ? i < 6 : i % 2 == 0;
      lengths.push_back(static_cast<std::int32_t>(is_short ? 1 + i % 8 : 9 + i));
      const std::int64_t counted = is_short ? 1 + i % 8 : 5 + i;
      for (std::int64_t s = 0; s < S; ++s) source.push_back(id());
      for (std::int64_t t = 0; t < T; ++t) {
        target.push_back(id());
        labels.push_back(t < counted ? id() : kernel::ignored_label);
      }
    }
  }
  Samples samples() const {
    return Samples(B)
        .set("source", source)
        .set("source_lengths", lengths)
        .set("target", target)
        .set("labels", labels);
  }
};

TrainPlanOptions options(std::int64_t micro_batch = 4, int threads = 1) {
  return {.batch = B,
          .micro_batch = micro_batch,
          .seq = T,
          .threads = threads,
          .sizes = {{"source_seq", S}},
          .buckets = {{8, {{"source_seq", 8}}, 0.5}},
          .hits = true};
}

TrainPlanOptions of_one_length() {
  TrainPlanOptions o = options();
  o.buckets.clear();
  return o;
}

Model model(float dropout) {
  return preset("transformer-tiny", {.vocab_size = V, .dropout = dropout, .seed = 3});
}

std::string trained(const TrainPlanOptions& o, const Ragged& data, float dropout) {
  Trainer trainer(TrainPlan(model(dropout), o));
  for (int i = 0; i < 3; ++i) trainer.step(data.samples(), {.lr = 1e-3f, .clip = 1});
  return trainer.weights_hash();
}

TEST(Buckets, SamplesGoByBucketThenInOrderAndNoMicroBatchMixesThem) {
  const TrainPlan plan(model(0), options());
  const Ragged data(false);
  std::vector<std::int64_t> order;
  for (const MicroBatch& part : micro_batches(plan.impl(), data.samples(), ForUse::training)) {
    EXPECT_LE(std::ssize(part.rows), part.program->sequences);
    for (const std::int64_t row : part.rows) EXPECT_EQ(part.program->bucket, row % 2 == 0 ? 0u : 1u) << row;
    order.insert(order.end(), part.rows.begin(), part.rows.end());
  }
  EXPECT_EQ(order, (std::vector<std::int64_t>{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9}));
}

TEST(Buckets, WeightsDependOnNeitherMicroBatchNorThreadsNorMemory) {
  const Ragged data(false);
  for (const auto precision : {Precision::f32, Precision::bf16}) {
    std::string expected;
    for (const auto& [micro_batch, threads] : {std::pair<std::int64_t, int>{4, 1}, {B, 2}, {1, 1}, {3, 2}}) {
      TrainPlanOptions o = options(micro_batch, threads);
      o.precision = precision;
      if (expected.empty()) expected = trained(o, data, 0.1f);
      EXPECT_EQ(trained(o, data, 0.1f), expected) << micro_batch << " " << threads;
      if (micro_batch != 4) continue;
      o.memory_bytes = TrainPlan(model(0.1f), o).peak_bytes() - 100000;
      EXPECT_EQ(trained(o, data, 0.1f), expected) << "less memory";
    }
  }
}

// In f32 only the order of samples may round otherwise: padding adds zeros to sums that have none to lose.
TEST(Buckets, OfSamplesThatLieByBucketTheBitsAreThoseOfOneLength) {
  const Ragged data(true);
  EXPECT_EQ(trained(options(), data, 0), trained(of_one_length(), data, 0));
}

TEST(Buckets, MixedSamplesHaveTheLossAndHitsOfOneLength) {
  const Ragged data(false);
  Trainer divided(TrainPlan(model(0), options())), whole(TrainPlan(model(0), of_one_length()));
  const EvalResult a = divided.evaluate(data.samples()), b = whole.evaluate(data.samples());
  EXPECT_NEAR(a.loss, b.loss, 1e-12);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.hits, b.hits);
  EXPECT_EQ(a.exact, b.exact);
  const StepResult x = divided.step(data.samples(), {.lr = 1e-3f}),
                   y = whole.step(data.samples(), {.lr = 1e-3f});
  EXPECT_EQ(x.tokens, y.tokens);
  EXPECT_NEAR(x.loss, y.loss, 1e-12);
  EXPECT_NEAR(x.grad_norm, y.grad_norm, 1e-5 * y.grad_norm);
}

TEST(Buckets, AnAccumulatedStepIsThatOfItsWhole) {
  const Ragged data(false);
  Trainer whole(TrainPlan(model(0.1f), options())), again(TrainPlan(model(0.1f), options()));
  whole.step(data.samples(), {});
  again.accumulate(data.samples(), again.label_counts(data.samples()));
  again.update({});
  EXPECT_EQ(again.weights_hash(), whole.weights_hash());
}

TEST(Buckets, LengthsThatContradictThePlanAreRefused) {
  TrainPlanOptions longer = options();
  longer.buckets[0].seq = T + 1;
  EXPECT_THROW(TrainPlan(model(0), longer), Error);
  TrainPlanOptions without = options();
  without.buckets[0].sizes.clear();
  EXPECT_THROW(TrainPlan(model(0), without), Error);
}

TEST(LengthBuckets, AreFewAndSparePositions) {
  std::vector<SampleLength> samples;
  for (std::int64_t i = 1; i <= 64; ++i) samples.push_back({i, 65 - i});
  const auto buckets = length_buckets(samples, {64, 64});
  ASSERT_FALSE(buckets.empty());
  EXPECT_LE(std::ssize(buckets), most_buckets);
  for (const LengthShare& bucket : buckets) {
    EXPECT_LT(bucket.length.positions(), 128);
    EXPECT_GT(bucket.share, 0);
  }
  EXPECT_TRUE(length_buckets(std::vector<SampleLength>(9, {60, 60}), {64, 64}).empty()) << "all alike";
}

}  // namespace
}  // namespace hone
