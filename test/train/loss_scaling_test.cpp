// fp16: the scale of the losses, steps that are skipped, and what they leave alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "file/hash.hpp"
#include "hone/training_run.hpp"
#include "run/golden_batch.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"
#include "train/loss_scaler.hpp"

namespace hone {
namespace {

TEST(LossScaler, GrowsAndBacksOffAsWorkedOutByHand) {
  LossScaler scaler({.init = 8, .growth = 4, .backoff = 0.5f, .interval = 3, .min = 1});
  std::vector<float> scales;
  for (const char step : std::string("...x..x...x..x.xx...")) {
    if (step == 'x') {
      EXPECT_TRUE(scaler.overflowed());
    } else {
      scaler.completed();
    }
    scales.push_back(scaler.state().scale);
  }
  EXPECT_EQ(scales, (std::vector<float>{8, 8, 32, 16, 16, 16, 8, 8, 8, 32, 16, 16, 16, 8, 8, 4, 2, 2, 2, 8}));
  EXPECT_EQ(scaler.state(), (LossScaler::State{.scale = 8, .good_steps = 0, .overflows = 0, .skipped = 6}));
}

TEST(LossScaler, GivesUpBelowTheLeastScaleAndAfterTooManyOverflows) {
  LossScaler falling({.init = 4, .min = 1});
  EXPECT_TRUE(falling.overflowed());
  EXPECT_TRUE(falling.overflowed());
  EXPECT_FALSE(falling.overflowed());
  LossScaler fixed({.init = 4, .growth = 1, .backoff = 1, .most_skips = 3});
  EXPECT_TRUE(fixed.overflowed());
  fixed.completed();
  for (const bool goes_on : {true, true, false}) EXPECT_EQ(fixed.overflowed(), goes_on);
  EXPECT_EQ(fixed.state().scale, 4);
}

TEST(LossScaler, StaysFiniteAtTheTop) {
  LossScaler scaler({.init = 0x1p126f, .interval = 1});
  for (int n = 0; n < 5; ++n) scaler.completed();
  EXPECT_EQ(scaler.state().scale, 0x1p127f);
}

TEST(LossScaler, ImpossibleRulesAreRefusedByMember) {
  const auto refused = [](const LossScaling& rule, const char* member) {
    const std::string message = error_of(ErrorKind::usage, [&] { check_loss_scaling(rule); });
    EXPECT_NE(message.find(std::string("its ") + member), std::string::npos) << message;
  };
  refused({.init = 1000}, "init");
  refused({.init = -2}, "init");
  refused({.init = 0x1p-20f}, "init");
  refused({.growth = 0.5f}, "growth");
  refused({.growth = INFINITY}, "growth");
  refused({.backoff = 2}, "backoff");
  refused({.backoff = 0}, "backoff");
  refused({.interval = 0}, "interval");
  refused({.min = NAN}, "min");
  refused({.most_skips = 0}, "most_skips");
}

constexpr std::int64_t B = 6, T = 12, V = 67;
const StepOptions adamw{.lr = 3e-3f, .clip = 1};
constexpr float too_high = 0x1p26f;  // a logit's gradient is near scale / 72: the first steps overflow

Batch batch(std::int64_t n) { return toy_batch(n, B, T, V); }

TrainPlan plan(float init, std::int64_t micro_batch = 0, int threads = 1, double dropout = 0.1) {
  return {TinyGpt2{.vocab_size = V, .dropout = dropout}.model(),
          {.batch = B,
           .micro_batch = micro_batch,
           .seq = T,
           .precision = Precision::fp16,
           .threads = threads,
           .keep = {"transformer.wte.weight"},
           .loss_scaling = {.init = init, .interval = 3}}};
}

void run(Trainer& t, std::int64_t until) {
  while (t.steps() < until) t.step(batch(t.steps()), adamw);
}

TEST(LossScaling, ASkippedStepChangesNothingButTheCursor) {
  Trainer t(plan(too_high, 0, 1, 0));
  const std::string before = t.weights_hash();
  float scale = too_high;
  std::int64_t skipped = 0;
  for (; t.steps() < 20; ++skipped, scale /= 2) {
    const StepResult done = t.step(batch(t.steps()), adamw);
    EXPECT_EQ(done.loss_scale, scale);
    EXPECT_TRUE(std::isfinite(done.loss));
    if (!done.skipped) break;
    EXPECT_EQ(t.weights_hash(), before);
    EXPECT_EQ(t.steps(), skipped + 1);
    EXPECT_EQ(t.skipped_steps(), skipped + 1);
    EXPECT_EQ(t.loss_scale(), scale / 2);
    // Looked for at the first, second, fourth, ..: nothing behind the loss is larger than its own gradient.
    const bool looked_for = skipped != 2 && skipped < 4;
    EXPECT_EQ(done.overflow, looked_for ? "cross_entropy_gradient @loss" : "") << skipped;
  }
  EXPECT_GE(skipped, 3);
  EXPECT_EQ(t.loss_scale(), scale);
  // As a run that begins with this scale and with this batch: moments and bias corrections are those of one
  // update.
  Trainer other(plan(scale, 0, 1, 0));
  other.step(batch(skipped), adamw);
  EXPECT_EQ(other.weights_hash(), t.weights_hash());
  other.step(batch(skipped + 1), adamw);
  t.step(batch(skipped + 1), adamw);
  EXPECT_EQ(other.weights_hash(), t.weights_hash());
}

TEST(LossScaling, SameBitsOverMicroBatchesAndThreads) {
  Trainer expected(plan(too_high, 6));
  run(expected, 14);
  EXPECT_GE(expected.skipped_steps(), 4);
  for (const std::int64_t micro_batch : {1, 2, 3, 4})
    for (const int threads : {1, 3}) {
      Trainer t(plan(too_high, micro_batch, threads));
      run(t, 14);
      EXPECT_EQ(t.weights_hash(), expected.weights_hash()) << micro_batch << " by " << threads;
      EXPECT_EQ(t.skipped_steps(), expected.skipped_steps());
      EXPECT_EQ(t.loss_scale(), expected.loss_scale());
    }
}

TEST(LossScaling, ResumesAmongSkippedSteps) {
  const TemporaryFolder folder;
  Trainer whole(plan(too_high));
  run(whole, 14);
  for (const std::int64_t killed_at : {1, 3, 6, 10}) {
    Trainer killed(plan(too_high));
    run(killed, killed_at);
    killed.save_checkpoint(folder.file("at"));
    Trainer resumed(plan(too_high, 4, 2));
    resumed.resume(folder.file("at"));
    EXPECT_EQ(resumed.loss_scale(), killed.loss_scale());
    EXPECT_EQ(resumed.skipped_steps(), killed.skipped_steps());
    run(resumed, 14);
    EXPECT_EQ(resumed.weights_hash(), whole.weights_hash()) << killed_at;
    EXPECT_EQ(resumed.loss_scale(), whole.loss_scale());
    EXPECT_EQ(resumed.skipped_steps(), whole.skipped_steps());
  }
}

TEST(LossScaling, ACheckpointWithAnImpossibleStateIsRefused) {
  const TemporaryFolder folder;
  Trainer t(plan(too_high));
  run(t, 2);
  t.save_checkpoint(folder.file("at"));
  std::string state = read_whole(folder.file("at/state.json")),
              sums = read_whole(folder.file("at/checksums"));
  const std::string digest = hash_text(state);
  state.replace(state.find("\"skipped\": 2"), 12, "\"skipped\": 3");
  sums.replace(sums.find(digest), digest.size(), hash_text(state));
  folder.write("at/state.json", state);
  folder.write("at/checksums", sums);
  const std::string message = error_of(ErrorKind::input, [&] { t.resume(folder.file("at")); });
  EXPECT_NE(message.find("loss scaling is impossible"), std::string::npos) << message;
}

TEST(LossScaling, AccumulateAndUpdateSkipAsAStepDoes) {
  Trainer whole(plan(too_high)), parts(plan(too_high, 4));
  for (int n = 0; n < 9; ++n) {
    const Batch all = batch(n);
    const StepResult expected = whole.step(all, adamw);
    parts.accumulate(BatchView(all).rows(0, 4), all.tokens());
    parts.accumulate(BatchView(all).rows(4, 2), all.tokens());
    const StepResult found = parts.update(adamw);
    EXPECT_EQ(found.skipped, expected.skipped);
    EXPECT_EQ(found.loss, expected.loss);
    EXPECT_EQ(found.loss_scale, expected.loss_scale);
    EXPECT_EQ(found.overflow, expected.overflow) << "the last micro-batch overflows too";
    if (!found.skipped) {
      EXPECT_EQ(found.grad_norm, expected.grad_norm);
    }
  }
  EXPECT_GE(whole.skipped_steps(), 3);
  EXPECT_EQ(parts.weights_hash(), whole.weights_hash());
}

TEST(LossScaling, GradientsAndNormAreRatherThoseOfF32ThanScaled) {
  const TrainPlan scaled = plan(65536);
  TrainPlanOptions options = scaled.options();
  options.precision = Precision::f32;
  Trainer half(scaled), single(TrainPlan(scaled.model(), options));
  const double norm = half.step(batch(0), adamw).grad_norm, expected = single.step(batch(0), adamw).grad_norm;
  EXPECT_NEAR(norm, expected, 5e-3 * expected);
  std::vector<float> a(static_cast<std::size_t>(scaled.model().size("transformer.wte.weight"))), b(a);
  half.read_gradient("transformer.wte.weight", a);
  single.read_gradient("transformer.wte.weight", b);
  float largest = 0;
  for (const float x : b) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 5e-3f * largest) << i;
}

const std::string up = "transformer.h.0.mlp.c_fc.weight";

// 60,000 for half of what comes in: sums of so much leave f16, at any scale of the losses. (All of it is the
// output of a norm, whose mean is zero.)
void write_too_large(Trainer& t) {
  std::vector<float> values(static_cast<std::size_t>(t.plan().model().size(up)));
  std::fill_n(values.begin(), values.size() / 2, 6e4f);
  t.write(up, values);
}

TEST(LossScaling, AScaleThatFallsToNothingEndsTheRunAndNamesWhatOverflowed) {
  Trainer t(plan(65536, 2));
  write_too_large(t);
  const std::string before = t.weights_hash();
  const std::string message = error_of(ErrorKind::failed, [&] { run(t, 100); });
  EXPECT_NE(message.find("the loss scale fell to nothing: 31 steps in a row"), std::string::npos) << message;
  EXPECT_NE(message.find("step 31, first in linear @transformer.h.0.mlp.c_fc"), std::string::npos) << message;
  EXPECT_NE(message.find("bf16"), std::string::npos) << message;
  EXPECT_EQ(t.weights_hash(), before);
  EXPECT_EQ(t.steps(), 30);
  EXPECT_EQ(error_of(ErrorKind::failed, [&] { run(t, 100); }), message);  // and nothing has changed
}

TEST(LossScaling, AWeightThatDoesNotFitIsRefusedAndNothingWritten) {
  Trainer t(plan(65536));
  const std::string before = t.weights_hash();
  const std::vector<float> values(static_cast<std::size_t>(t.plan().model().size(up)), 65520.0f);
  const std::string message = error_of(ErrorKind::input, [&] { t.write(up, values); });
  EXPECT_NE(message.find(up), std::string::npos) << message;
  EXPECT_EQ(t.weights_hash(), before);
  run(t, 2);
}

// No scale helps where it is f32 that is not finite.
TEST(LossScaling, ALossThatDivergedInF32IsAnErrorAtOnce) {
  Trainer t(plan(1024));
  t.step(batch(0), {.lr = 3e38f, .weight_decay = 100});
  const std::string message = error_of(ErrorKind::failed, [&] { t.step(batch(1), adamw); });
  EXPECT_NE(message.find("the loss is not finite"), std::string::npos) << message;
  EXPECT_EQ(t.skipped_steps(), 0);
}

// The reference is f32's; 11 bits of activations and weights err by some 2^-11 of each.
TEST(LossScaling, GoldenGpt2TrainsNearItsReference) {
  const std::string folder = HONE_TEST_DATA "/models/gpt2";
  const SafetensorsFile golden(folder + "/golden.safetensors");
  const GoldenBatch batch = read_golden_batch(golden);
  const auto losses = golden_values<float>(golden, "losses", "F32");
  Trainer t(TrainPlan(open(folder), {.batch = batch.count,
                                     .seq = batch.seq,
                                     .precision = Precision::fp16,
                                     .threads = 2,
                                     .decay_all = true}));
  const StepOptions step{
      .lr = 1e-3f, .clip = 1, .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .weight_decay = 0.1f};
  for (const float expected : losses) {
    const StepResult done = t.step(batch.samples(), step);
    EXPECT_FALSE(done.skipped);
    EXPECT_NEAR(done.loss, expected, 2e-3 * static_cast<double>(expected));
  }
}

TEST(LossScaling, ARunSaysWhatItSkipsAndKeepsCount) {
  const TemporaryFolder folder;
  std::string text, said;
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * i % 89) + "\n";
  TrainingRun run;
  run.model = "tiny";
  run.data = folder.write("text.txt", text);
  run.steps = 8;
  run.warmup = 0;
  run.plan = {
      .batch = 2, .seq = 16, .precision = Precision::fp16, .threads = 1, .loss_scaling = {.init = 0x1p26f}};
  run.on_message = [&](const std::string& message) { said += message + "\n"; };
  std::int64_t skipped = 0;
  run.on_step = [&](const StepEvent& e) { skipped += e.skipped; };
  run.out = folder.file("whole");
  const RunSummary whole = train(run);
  EXPECT_GT(skipped, 2);
  EXPECT_EQ(whole.skipped_steps, skipped);
  EXPECT_NE(said.find("note: fp16 is storage here"), std::string::npos) << said;
  EXPECT_NE(
      said.find(
          "note: step 1 is skipped: fp16 overflowed, first in cross_entropy_gradient @loss; the loss scale "
          "goes from 67108864 to 33554432"),
      std::string::npos)
      << said;
  run.out = folder.file("parts");
  run.save_every = 2;
  std::stop_source stop;
  run.stop = stop.get_token();
  run.on_step = [&](const StepEvent& e) {
    if (e.step == 2) stop.request_stop();
  };
  EXPECT_EQ(train(run).skipped_steps, 2);
  run.stop = {};
  TrainingRun other = run;
  other.plan.loss_scaling.init = 65536;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(other); }).find("--loss-scale"), std::string::npos);
  const RunSummary done = train(run);
  EXPECT_EQ(done.weights_hash, whole.weights_hash);
  EXPECT_EQ(done.skipped_steps, skipped);
}

}  // namespace
}  // namespace hone
