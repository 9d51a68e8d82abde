// Pruning little by little while a model is trained.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "hone/prune.hpp"
#include "hone/training_run.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"
#include "train/run_schedule.hpp"

namespace hone {
namespace {

const TinyGpt2 tiny{.dropout = 0};

std::vector<float> values_of(const Model& model, const std::string& weight) {
  std::vector<float> values(static_cast<std::size_t>(model.size(weight)));
  model.read(weight, values);
  return values;
}

// The share of zeros of the products' matrices, which gpt2's files name .c_attn, .c_proj and .c_fc.
double zeros(const Model& model) {
  std::int64_t none = 0, all = 0;
  for (const WeightInfo& w : model.weights()) {
    if (w.name.find(".c_") == std::string::npos || w.shape.size() != 2) continue;
    const std::vector<float> values = values_of(model, w.name);
    none += std::ranges::count(values, 0.0f);
    all += std::ssize(values);
  }
  return static_cast<double>(none) / static_cast<double>(all);
}

void step(Trainer& trainer) {
  const TrainPlanOptions& o = trainer.plan().options();
  trainer.step(toy_batch(trainer.steps(), o.batch, o.seq, tiny.vocab_size),
               {.lr = 1e-2f, .clip = o.clipping ? 1.0f : 0, .weight_decay = 0.1f});
}

// Six steps, pruned to 1/4 before the third and to 1/2 before the fifth; one that goes on from a checkpoint
// on the way where `folder` names one.
Model pruned(const TrainPlanOptions& o, const std::string& pattern, const std::string& folder = {}) {
  std::optional<Trainer> trainer(std::in_place, TrainPlan(tiny.model(), o));
  for (std::int64_t n = 0; n < 6; ++n) {
    if (n == 2) trainer->prune(0.25, pattern);
    if (n == 4) trainer->prune(0.5, pattern);
    step(*trainer);
    if (folder.empty() || n % 2 != 0) continue;
    trainer->save_checkpoint(folder);
    trainer.emplace(TrainPlan(tiny.model(), o));
    trainer->resume(folder);
  }
  return trainer->model();
}

TEST(Pruning, TheShareIsCubic) {
  const CubicSparsity share{.last = 0.8, .start = 10, .end = 20};
  EXPECT_EQ(share(0), 0);
  EXPECT_EQ(share(10), 0);
  EXPECT_DOUBLE_EQ(share(15), 0.8 * (1 - 0.125));
  EXPECT_EQ(share(20), 0.8);
  EXPECT_EQ(share(1000), 0.8);
}

TEST(Pruning, ARunPrunesEverySoManySteps) {
  const GradualPruning o{.sparsity = 0.5, .start = 3, .end = 10, .every = 3};
  std::string when;
  for (std::int64_t n = 0; n < 20; ++n) when += prunes_before(o, n, 20) ? "x" : ".";
  EXPECT_EQ(when, "...x..x..xx.........");
  EXPECT_EQ(sparsity_at(o, 2, 20), 0);
  EXPECT_EQ(sparsity_at(o, 8, 20), sparsity_at(o, 6, 20));
  EXPECT_GT(sparsity_at(o, 9, 20), sparsity_at(o, 8, 20));
  EXPECT_EQ(sparsity_at(o, 10, 20), 0.5);
  EXPECT_TRUE(prunes_before({}, 15, 20));  // three quarters
}

TEST(Pruning, ZerosStayWithEveryOptimizerThatLeavesThem) {
  for (const std::string& optimizer : optimizers()) {
    const TrainPlanOptions o{.batch = 4, .seq = 16, .optimizer = optimizer, .prunes = true};
    if (optimizer == "muon") {
      EXPECT_NE(error_of(ErrorKind::usage, [&] { TrainPlan(tiny.model(), o); }).find("zeros do not stay"),
                std::string::npos);
      continue;
    }
    Trainer trainer{TrainPlan(tiny.model(), o)};
    for (const double share : {0.25, 0.5, 0.75}) {
      for (int i = 0; i < 3; ++i) step(trainer);  // moments of all, which pruning has to clear
      EXPECT_NEAR(trainer.prune(share), share, 1e-3) << optimizer;
      const double before = zeros(trainer.model());
      EXPECT_NEAR(before, share, 1e-3) << optimizer;
      for (int i = 0; i < 3; ++i) step(trainer);
      EXPECT_EQ(zeros(trainer.model()), before) << optimizer;
    }
  }
}

TEST(Pruning, TheMaskIsTheOneThatPruneMakes) {
  for (const std::string pattern : {"unstructured", "2:4", "4x1", "16x1"}) {
    Trainer trainer{TrainPlan(tiny.model(), {.batch = 4, .seq = 16, .prunes = true})};
    step(trainer);
    const Model once = prune(trainer.model(), {.sparsity = 0.5, .pattern = pattern}).model;
    trainer.prune(0.25, pattern);  // what is zero goes first
    trainer.prune(0.5, pattern);
    if (pattern == "unstructured" || pattern == "2:4") {
      EXPECT_EQ(trainer.weights_hash(), once.weights_hash()) << pattern;
    }
    EXPECT_EQ(prune(trainer.model(), {.sparsity = 0.5, .pattern = pattern}).model.weights_hash(),
              trainer.weights_hash())
        << pattern;
  }
}

TEST(Pruning, TheSameBitsInEveryWayThatAStepIsDone) {
  const TemporaryFolder folder;
  for (const std::string pattern : {"unstructured", "2:4"}) {
    TrainPlanOptions o{.batch = 4, .micro_batch = 4, .seq = 16, .prunes = true};
    const std::string whole = pruned(o, pattern).weights_hash();
    EXPECT_EQ(pruned(o, pattern, folder.file("checkpoint")).weights_hash(), whole);
    o.micro_batch = 1, o.threads = 1;
    EXPECT_EQ(pruned(o, pattern).weights_hash(), whole);
    o.micro_batch = 4, o.clipping = false;  // updates inside of backward
    o.precision = o.master = Precision::bf16;
    EXPECT_NEAR(zeros(pruned(o, pattern)), 0.5, 1e-2);  // of 2:4, odd rests of rows keep one more
  }
}

TEST(Pruning, TheForecastKnows) {
  const TrainPlanOptions o{.batch = 4, .seq = 16, .keep_zeros = true};
  TrainPlanOptions prunes = o;
  prunes.prunes = true;
  const std::int64_t more =
      TrainPlan(tiny.model(), prunes).peak_bytes() - TrainPlan(tiny.model(), o).peak_bytes();
  EXPECT_GT(more, 0);
}

TEST(Pruning, WhatCannotBe) {
  Trainer plain{TrainPlan(tiny.model(), {.batch = 4, .seq = 16})};
  Trainer trainer{TrainPlan(tiny.model(), {.batch = 4, .seq = 16, .prunes = true})};
  const auto refused = [](Trainer& t, double share, const char* pattern, const char* words) {
    const std::string hash = t.weights_hash();
    EXPECT_NE(error_of(ErrorKind::usage, [&] { t.prune(share, pattern); }).find(words), std::string::npos);
    EXPECT_EQ(t.weights_hash(), hash);
  };
  refused(plain, 0.5, "unstructured", "without pruning");
  refused(trainer, 1, "unstructured", "0 <= sparsity < 1");
  refused(trainer, 0.6, "2:4", "0.5: of each four");
  refused(trainer, 0.5, "heads", "no pattern 'heads'");
}

TEST(Pruning, ARunThatIsStoppedGoesOnToTheSameBits) {
  const TemporaryFolder folder;
  TrainingRun run;
  run.model = "tiny";
  run.data = folder.write("text.txt", std::string(3000, 'a') + std::string(3000, 'b'));
  run.out = folder.file("whole");
  run.steps = 9;
  run.warmup = 0;
  run.plan.batch = 2, run.plan.seq = 16;
  run.prune = GradualPruning{.sparsity = 0.6, .start = 1, .end = 7, .every = 2};
  std::vector<double> shares;
  run.on_step = [&](const StepEvent& e) { shares.push_back(e.sparsity); };
  const std::string whole = train(run).weights_hash;
  ASSERT_EQ(shares.size(), 9u);
  EXPECT_EQ(shares[0], 0);
  EXPECT_EQ(shares[8], 0.6);
  EXPECT_TRUE(std::ranges::is_sorted(shares));
  run.out = folder.file("stopped");
  for (std::int64_t stop_at = 2; stop_at <= 8; stop_at += 2) {  // each start ends behind its second step
    std::stop_source stop;
    run.stop = stop.get_token();
    run.on_step = [&](const StepEvent& e) { e.step == stop_at ? (void)stop.request_stop() : void(); };
    EXPECT_TRUE(train(run).stopped);
  }
  run.stop = {};
  EXPECT_EQ(train(run).weights_hash, whole);
  run.prune->sparsity = 0.5;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run); }).find("--sparsity"), std::string::npos);
  run.prune->end = 9;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run); }).find("prune_end"), std::string::npos);
}

}  // namespace
}  // namespace hone
