// Training runs over pairs: what a run decides by itself, same bits however it is cut, resumed and evaluated.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/training_run.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

class PairsRun : public testing::Test {
 protected:
  PairsRun() {
    std::ofstream file(data_);
    for (int i = 0; i < 60; ++i) file << "number " << i << "\t" << i * 7 % 60 << "\n";
  }
  TrainingRun run(const std::string& out) const {
    TrainingRun r;
    r.model = "transformer-tiny";
    r.data = data_;
    r.out = folder_.path() + "/" + out;
    r.steps = 6;
    r.warmup = 0;
    r.plan.batch = 6;
    r.plan.threads = 1;
    return r;
  }
  std::string refusal(ErrorKind kind, const TrainingRun& r) const {
    return error_of(kind, [&] { train(r); });
  }

  const TemporaryFolder folder_;
  const std::string data_ = folder_.path() + "/pairs.tsv";
};

TEST_F(PairsRun, FitsTheLongestPairAndSaysHowManyAreExact) {
  const TrainPlan plan = plan_of(run("a"));
  EXPECT_EQ(plan.seq(), 3);
  EXPECT_EQ(plan.options().sizes.at("source_seq"), 9);
  EXPECT_EQ(plan.model().vocab_size(), 259);
  EXPECT_EQ(plan.model().sequence_tokens(), (SequenceTokens{256, 257, 258}));
  const RunSummary done = train(run("a"));
  EXPECT_TRUE(std::isnan(done.bits_per_byte));
  EXPECT_GE(done.exact_match, 0);
  EXPECT_GE(done.accuracy, done.exact_match);
  const EvalReport report =
      evaluate(open(run("a").out), Pairs(data_, {.tokenizer = run("a").out}), {.held_out_only = true});
  EXPECT_EQ(report.pairs, 6);
  EXPECT_NEAR(report.loss, done.val_loss, 1e-5);
  EXPECT_EQ(report.exact_match, done.exact_match);
  EXPECT_EQ(report.accuracy, done.accuracy);
}

TEST_F(PairsRun, HasTheSameBitsOverMicroBatchesThreadsAndAResume) {
  const std::string whole = train(run("whole")).weights_hash;
  TrainingRun parts = run("parts");
  parts.plan.micro_batch = 4;
  parts.plan.threads = 3;
  parts.schedule = ScheduleKind::cosine;
  parts.save_every = 2;
  EXPECT_EQ(train(parts).weights_hash, whole);
  EXPECT_EQ(train(parts).weights_hash, whole) << "started again, it is finished";
  TrainingRun task = run("task");
  task.data = "task:sums";
  task.tokenizer = "char";
  task.steps = 2;
  const std::string first = train(task).weights_hash;
  task.out += "2";
  task.plan.micro_batch = 1;
  EXPECT_EQ(train(task).weights_hash, first);
}

TEST_F(PairsRun, AnotherRunInTheFolderIsRefusedByWhatDiffers) {
  train(run("a"));
  TrainingRun other = run("a");
  other.source_seq = 12;
  EXPECT_NE(refusal(ErrorKind::usage, other).find("--source-seq"), std::string::npos);
  other = run("a");
  other.label_smoothing = 0.1f;
  EXPECT_NE(refusal(ErrorKind::usage, other).find("--label-smoothing"), std::string::npos);
  std::ofstream(data_, std::ios::app) << "one\tmore\n";
  EXPECT_NE(refusal(ErrorKind::usage, run("a")).find("another"), std::string::npos);
}

TEST_F(PairsRun, OtherDataAreSaidBeforeWhatFollowsFromThem) {
  TrainingRun dates = run("a");
  dates.data = "task:dates";
  dates.tokenizer = "char";
  dates.steps = 1;
  train(dates);
  TrainingRun sums = dates;
  sums.data = "task:sums";
  EXPECT_NE(refusal(ErrorKind::usage, sums).find("another set of pairs: expected digest task:dates"),
            std::string::npos)
      << refusal(ErrorKind::usage, sums);
}

TEST_F(PairsRun, WhereNothingIsTooLongAnyWayToTreatItGoesOn) {
  train(run("a"));
  TrainingRun again = run("a");
  for (const TooLong way : {TooLong::drop, TooLong::cut}) {
    again.too_long = way;
    EXPECT_EQ(train(again).steps, again.steps);
  }
}

TEST_F(PairsRun, ACharacterThatTheRunsOwnTokenizerLacksSaysWhoseItIs) {
  TrainingRun r = run("a");
  r.tokenizer = "char";
  r.steps = 1;
  train(r);
  std::ofstream(data_, std::ios::app) << "one\t\xc3\xa9\n";
  r.tokenizer.clear();
  const std::string message = refusal(ErrorKind::input, r);
  EXPECT_NE(message.find("the tokenizer is that of the run in " + r.out), std::string::npos) << message;
}

TEST_F(PairsRun, AccumulatedPartsDivideAsTheWholeStepDoes) {
  std::ofstream(data_, std::ios::app) << "one\ta target that is longer than the others\n";
  TrainingRun r = run("a");
  const TrainPlan made = plan_of(r);
  TrainPlanOptions options = made.options();
  options.micro_batch = 2;
  options.buckets.clear();  // which put the parts of a step in another order than the whole one
  const TrainPlan plan(made.model(), options);
  Trainer whole(plan), parts(plan);
  const Pairs pairs = Pairs(data_).with_lengths(options.sizes.at("source_seq"), made.seq());
  const PairBatch batch = pairs.batch(0, 6);
  ASSERT_LT(batch.tokens(), std::ssize(batch.labels)) << "some labels do not count";
  whole.step(batch.samples(), {});
  const std::string message =
      error_of(ErrorKind::usage, [&] { parts.accumulate(batch.samples().rows(0, 2)); });
  EXPECT_NE(message.find("label_counts"), std::string::npos) << message;
  for (std::int64_t i = 0; i < 6; i += 2)
    parts.accumulate(batch.samples().rows(i, 2), parts.label_counts(batch.samples()));
  EXPECT_EQ(parts.update({}).tokens, batch.tokens());
  EXPECT_EQ(parts.weights_hash(), whole.weights_hash());
}

TEST_F(PairsRun, WhatTheNetworkDoesNotReadIsRefused) {
  const TrainPlan plan = plan_of(run("a"));
  Trainer trainer(plan);
  const Pairs pairs = Pairs(data_).with_lengths(plan.options().sizes.at("source_seq"), plan.seq());
  PairBatch batch = pairs.batch(0, 6);
  const std::string message = error_of(ErrorKind::usage, [&] {
    trainer.step(batch.samples().set("source_length", batch.source_lengths), {});
  });
  EXPECT_NE(message.find("the nearest is 'source_lengths'"), std::string::npos) << message;
  batch.source_lengths[1] = 0;
  EXPECT_NE(error_of(ErrorKind::input, [&] { trainer.step(batch.samples(), {}); }).find("expected 1 to"),
            std::string::npos);
  TrainPlanOptions options = plan.options();
  options.sizes["source_sq"] = 9;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { TrainPlan(plan.model(), options); })
                .find("the nearest is 'source_seq'"),
            std::string::npos);
}

TEST_F(PairsRun, ASmoothedLossIsOfTrainingAlone) {
  TrainingRun smooth = run("s");
  smooth.label_smoothing = 0.2f;
  smooth.adamw.lr = 0;
  TrainingRun plain = run("p");
  plain.adamw.lr = 0;
  const RunSummary a = train(smooth), b = train(plain);
  EXPECT_NE(a.loss, b.loss);
  EXPECT_EQ(a.val_loss, b.val_loss);
}

TEST_F(PairsRun, WhatDoesNotFitIsSaid) {
  TrainingRun r = run("a");
  r.source_seq = 4;
  EXPECT_NE(
      refusal(ErrorKind::input, r).find("pairs.tsv, line 1: the source is too long: expected at most 4"),
      std::string::npos);
  r.too_long = TooLong::drop;
  EXPECT_NE(refusal(ErrorKind::input, r).find("no pair is left"), std::string::npos);
  r = run("a");
  r.model = "tiny";
  r.data = "task:sums";
  EXPECT_NE(refusal(ErrorKind::usage, r).find("reads a source"), std::string::npos);
  EXPECT_FALSE(std::ifstream(run("a").out + "/config.json").good());
}

TEST_F(PairsRun, ExactMatchIsWhatGreedyDecodingWrites) {
  TrainingRun r = run("a");
  r.steps = 150;
  r.adamw.lr = 3e-3f;
  train(r);
  const Model model = open(r.out);
  const Tokenizer tokenizer = Tokenizer::open(r.out);
  const EvalReport report = evaluate(model, Pairs(data_, tokenizer));
  Generator generator(GeneratePlan(model, {.threads = 1}));
  std::int64_t exact = 0;
  for (int i = 0; i < 60; ++i) {
    std::string text;
    const auto source = tokenizer.encode("number " + std::to_string(i));
    for (const Piece& piece : generator.generate(source, {.temperature = 0}, &tokenizer)) text += piece.text;
    exact += text == std::to_string(i * 7 % 60) && generator.finish() == Finish::stop_token;
  }
  EXPECT_GT(exact, 5);
  EXPECT_EQ(report.exact_match, static_cast<double>(exact) / 60);
}

// The logits that a step had, by hand, against what an evaluation of the same samples counts.
TEST_F(PairsRun, HitsAreLabelsWithTheLargestLogit) {
  TrainingRun r = run("a");
  r.plan.batch = 5;
  const TrainPlan made = plan_of(r);
  TrainPlanOptions options = made.options();
  options.keep = {"logits"};
  options.micro_batch = 2;
  Trainer trainer(TrainPlan(made.model(), options));
  const Pairs pairs = Pairs(data_).with_lengths(options.sizes.at("source_seq"), made.seq());
  for (std::int64_t n = 0; n < 40; ++n) trainer.step(pairs.batch(n, 5).samples(), {.lr = 3e-3f});
  const PairBatch batch = pairs.batch(40, 5);
  const auto counts = trainer.label_counts(batch.samples());
  for (std::int64_t first = 0; first < 5; first += 2)
    trainer.accumulate(batch.samples().rows(first, std::min<std::int64_t>(2, 5 - first)), counts);
  const std::int64_t V = made.model().vocab_size();
  std::vector<float> logits(static_cast<std::size_t>(5 * made.seq() * V));
  trainer.read_activation("logits", logits);
  trainer.discard();
  std::int64_t hits = 0, exact = 0;
  for (std::int64_t b = 0; b < 5; ++b) {
    bool all = true;
    for (std::int64_t t = 0; t < made.seq(); ++t) {
      const auto row = static_cast<std::size_t>(b * made.seq() + t);
      if (batch.labels[row] < 0) continue;
      const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(row) * V;
      const bool hit = std::max_element(begin, begin + V) - begin == batch.labels[row];
      hits += hit, all = all && hit;
    }
    exact += all;
  }
  const EvalResult found = trainer.evaluate(batch.samples());
  EXPECT_GT(hits, 0);
  EXPECT_EQ(found.hits, hits);
  EXPECT_EQ(found.exact, exact);
}

}  // namespace
}  // namespace hone
