#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <thread>

#include "tiny_gpt2.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6, T = 12, V = 67;
const StepOptions adamw{.lr = 3e-3f, .clip = 1};

Batch batch(std::int64_t n) { return toy_batch(n, B, T, V); }

Trainer trainer(TrainPlanOptions options = {}) {
  options.batch = B;
  options.seq = T;
  if (options.threads == 0) options.threads = 1;
  return Trainer(TrainPlan(TinyGpt2{}.model(), options));
}

void run(Trainer& t, std::int64_t until) {
  while (t.steps() < until) t.step(batch(t.steps()), adamw);
}

TEST(Trainer, LearnsAToyText) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    Trainer t = trainer({.precision = precision});
    const double untrained = t.evaluate(batch(1000)).loss;
    EXPECT_NEAR(untrained, std::log(static_cast<double>(V)), 0.1);
    for (int n = 0; n < 150; ++n) {
      const StepResult done = t.step(batch(n), adamw);
      ASSERT_TRUE(std::isfinite(done.loss) && std::isfinite(done.grad_norm) && done.grad_norm > 0);
      ASSERT_EQ(done.tokens, batch(n).tokens());
    }
    EXPECT_LT(t.evaluate(batch(1000)).loss, 0.5 * untrained) << name(precision);
  }
}

TEST(Trainer, AStepIsAccumulateAndUpdate) {
  Trainer whole = trainer({.micro_batch = 4}), parts = trainer({.micro_batch = 4});
  for (int n = 0; n < 3; ++n) {
    const StepResult expected = whole.step(batch(n), adamw);
    const Batch all = batch(n);
    parts.accumulate(BatchView(all).rows(0, 4), all.tokens());
    parts.evaluate(batch(99));  // in the middle of a step
    parts.accumulate(BatchView(all).rows(4, 2), all.tokens());
    const StepResult found = parts.update(adamw);
    EXPECT_EQ(found.loss, expected.loss);
    EXPECT_EQ(found.grad_norm, expected.grad_norm);
    EXPECT_EQ(found.tokens, expected.tokens);
  }
  EXPECT_EQ(parts.weights_hash(), whole.weights_hash());
}

TEST(Trainer, EvaluateLeavesTheNextStepAlone) {
  Trainer plain = trainer(), evaluated = trainer();
  run(plain, 3);
  for (int n = 1; n <= 3; ++n) {
    const std::string before = evaluated.weights_hash();
    evaluated.evaluate(batch(50 + n));
    EXPECT_EQ(evaluated.weights_hash(), before);
    run(evaluated, n);
  }
  EXPECT_EQ(evaluated.weights_hash(), plain.weights_hash());
}

TEST(Trainer, EvaluateIsTheSameForAnySplit) {
  Trainer one = trainer({.micro_batch = 6, .threads = 1});
  const EvalResult expected = one.evaluate(toy_batch(7, 5, T, V));
  EXPECT_EQ(expected.tokens, toy_batch(7, 5, T, V).tokens());
  for (const std::int64_t micro : {1, 2, 4}) {
    Trainer t = trainer({.micro_batch = micro, .threads = 3});
    EXPECT_EQ(t.evaluate(toy_batch(7, 5, T, V)).loss, expected.loss) << micro;
  }
}

TEST(Trainer, ResumesToTheSameBits) {
  const TemporaryFolder folder;
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const std::string at = folder.file(name(precision));
    Trainer whole = trainer({.precision = precision}), killed = trainer({.precision = precision});
    run(whole, 6);
    run(killed, 3);
    killed.save_checkpoint(at, {.notes = {{"tokenizer", "byte"}}});
    killed.step(batch(70), adamw);  // goes nowhere
    Trainer resumed = trainer({.micro_batch = 2, .precision = precision, .threads = 3});
    const auto notes = resumed.resume(at);
    EXPECT_EQ(notes.at("tokenizer"), "byte");
    EXPECT_EQ(resumed.steps(), 3);
    run(resumed, 6);
    EXPECT_EQ(resumed.weights_hash(), whole.weights_hash()) << name(precision);
  }
}

TEST(Trainer, RefusesADamagedCheckpoint) {
  const TemporaryFolder folder;
  Trainer t = trainer();
  run(t, 1);
  t.save_checkpoint(folder.file("checkpoint"));
  std::string bytes = read_whole(folder.file("checkpoint/model.safetensors"));
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  folder.write("checkpoint/model.safetensors", bytes);
  Trainer other = trainer();
  const std::string before = other.weights_hash();
  const std::string message = error_of(ErrorKind::input, [&] { other.resume(folder.file("checkpoint")); });
  EXPECT_NE(message.find("altered or damaged"), std::string::npos) << message;
  EXPECT_EQ(other.weights_hash(), before);
  EXPECT_EQ(other.steps(), 0);
}

TEST(Trainer, RefusesACheckpointOfAnotherModelOrKind) {
  const TemporaryFolder folder;
  const auto of_layers = [](std::int64_t layers) {
    return Trainer(TrainPlan(TinyGpt2{.layers = layers}.model(), {.batch = 1, .seq = 8, .threads = 1}));
  };
  Trainer small = of_layers(1), large = of_layers(2);
  for (Trainer* from : {&small, &large}) {
    Trainer& to = from == &small ? large : small;
    from->save_checkpoint(folder.file("checkpoint"));
    const std::string message = error_of(ErrorKind::usage, [&] { to.resume(folder.file("checkpoint")); });
    EXPECT_NE(message.find("of another model"), std::string::npos) << message;
    to.step(toy_batch(0, 1, 8, TinyGpt2{}.vocab_size), adamw);  // still usable
  }
  small.save_checkpoint(folder.file("checkpoint"), {.notes = {{"a", "b"}}});
  std::string state = read_whole(folder.file("checkpoint/state.json"));
  state.replace(state.find("\"b\""), 3, "5");
  folder.write("checkpoint/state.json", state);
  error_of(ErrorKind::input, [&] { small.resume(folder.file("checkpoint")); });
  error_of(ErrorKind::usage, [&] {
    small.save_checkpoint(folder.file("other"), {.notes = {{"a", "\xff"}}});
  });
  for (const char* name : {"", "state.json", "a/b", ".hidden"})
    error_of(ErrorKind::usage, [&] {
      small.save_checkpoint(folder.file("other"), {.files = {{name, "x"}}});
    });
  folder.write("other", "a file");
  error_of(ErrorKind::failed, [&] { small.save_checkpoint(folder.file("other")); });
}

TEST(Trainer, RefusesImpossibleOptionsAndKeepsTheWeights) {
  Trainer t = trainer();
  run(t, 1);
  const std::string before = t.weights_hash();
  const float nan = std::nanf(""), infinite = HUGE_VALF;
  for (const StepOptions& o : {StepOptions{.lr = nan},
                               {.lr = -1},
                               {.lr = infinite},
                               {.clip = nan},
                               {.clip = -1},
                               {.beta1 = 1},
                               {.beta2 = 1},
                               {.beta2 = nan},
                               {.epsilon = 0},
                               {.weight_decay = nan}}) {
    const std::string message = error_of(ErrorKind::usage, [&] { t.step(batch(1), o); });
    EXPECT_NE(message.find("StepOptions::"), std::string::npos) << message;
    EXPECT_EQ(t.weights_hash(), before);
  }
  Batch silent = batch(1);
  std::fill(silent.labels.begin(), silent.labels.end(), -100);
  error_of(ErrorKind::input, [&] { t.step(silent, adamw); });
  error_of(ErrorKind::input, [&] { t.evaluate(silent); });
  error_of(ErrorKind::usage, [&] { t.evaluate(Batch{-1, -8, Batch(batch(1)).ids, batch(1).labels}); });
  EXPECT_EQ(t.weights_hash(), before);
  EXPECT_EQ(t.steps(), 1);
}

TEST(Trainer, MoreSequencesThanTheBatchAreRefusedAndFewerMakeAStep) {
  Trainer t = trainer({.micro_batch = 1});
  for (std::int64_t i = 0; i < B; ++i) t.accumulate(toy_batch(i, 1, T, V), B * T);
  const std::string message = error_of(ErrorKind::usage, [&] { t.accumulate(toy_batch(B, 1, T, V), T); });
  EXPECT_NE(message.find("at most " + std::to_string(B)), std::string::npos) << message;
  t.update(adamw);
  t.accumulate(toy_batch(B, 1, T, V), T);
  t.update(adamw);
  EXPECT_EQ(t.steps(), 2);
}

TEST(Trainer, MoreMemoryThanTheMachineHasIsRefused) {
  const TrainPlan plan(preset("gpt2"), {.batch = 4096, .micro_batch = 4096, .seq = 1024, .threads = 1});
  ASSERT_GT(plan.peak_bytes(), std::int64_t{1} << 40);
  error_of(ErrorKind::budget, [&] { Trainer{plan}; });
}

// NOLINTBEGIN(bugprone-use-after-move): what a move leaves behind is what is tried here.
TEST(Trainer, MovedFromItSaysSo) {
  Trainer a = trainer();
  Trainer b = std::move(a);
  error_of(ErrorKind::usage, [&] { a.steps(); });
  error_of(ErrorKind::usage, [&] { a.plan(); });
  error_of(ErrorKind::usage, [&] { a.step(batch(0), adamw); });
  run(b, 1);
  TrainPlan plan = b.plan();
  const TrainPlan moved = std::move(plan);
  EXPECT_EQ(plan.batch(), moved.batch());  // a value is never empty
}
// NOLINTEND(bugprone-use-after-move)

TEST(Trainer, ALossThatIsNotFiniteNamesAnOpAndKeepsTheWeights) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Trainer t = trainer({.precision = precision});
    run(t, 1);
    t.step(batch(1), {.lr = 1e30f});
    const std::string before = t.weights_hash();
    for (int again = 0; again < 2; ++again) {
      const std::string message = error_of(ErrorKind::failed, [&] { t.step(batch(2), adamw); });
      EXPECT_NE(message.find("step 3, first in "), std::string::npos) << message;
      EXPECT_NE(message.find("@transformer."), std::string::npos) << message;
      EXPECT_EQ(t.weights_hash(), before);
      EXPECT_EQ(t.steps(), 2);
    }
  }
}

TEST(Trainer, AWeightThatIsNotFiniteIsNamed) {
  for (const float bad : {NAN, -INFINITY}) {
    const TemporaryFolder folder;
    Trainer t = trainer();
    std::vector<float> values(static_cast<std::size_t>(t.plan().model().size("transformer.ln_f.bias")));
    values.back() = bad;
    t.write("transformer.ln_f.bias", values);
    t.save(folder.path());
    for (const Model& model : {open(folder.path()), t.model()}) {
      const TrainPlan plan(model, {.batch = B, .seq = T, .threads = 1});
      const std::string message = error_of(ErrorKind::input, [&] { Trainer{plan}; });
      EXPECT_NE(message.find("transformer.ln_f.bias: a weight is not finite"), std::string::npos) << message;
    }
  }
}

TEST(Trainer, RefusesWrongBatches) {
  Trainer t = trainer({.micro_batch = 3});
  const std::string before = t.weights_hash();
  const auto refused = [&](ErrorKind kind, const char* what, Batch b) {
    const std::string message = error_of(kind, [&] { t.step(b, adamw); });
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  refused(ErrorKind::usage, "wrong shape", toy_batch(0, B + 1, T, V));
  refused(ErrorKind::usage, "wrong shape", toy_batch(0, B, T - 1, V));
  refused(ErrorKind::input, "out of range", toy_batch(0, B, T, V + 1000));
  for (const std::int32_t id : {-1, -100, static_cast<int>(V)}) {
    Batch b = batch(0);
    b.ids[7] = id;
    refused(ErrorKind::input, "tokens [0,7]", b);
  }
  for (const std::int32_t id : {-1, static_cast<int>(V)}) {
    Batch b = batch(0);
    b.labels[9] = id;
    refused(ErrorKind::input, "labels [0,9]", b);
  }
  for (const auto member : {&Batch::ids, &Batch::labels}) {
    Batch b = batch(0);
    (b.*member).resize(static_cast<std::size_t>(B * T - 1));
    refused(ErrorKind::usage, "do not fill its shape", b);
    error_of(ErrorKind::usage, [&] { t.evaluate(b); });
  }
  error_of(ErrorKind::usage, [&] { t.update(adamw); });
  error_of(ErrorKind::usage, [&] { t.accumulate(toy_batch(0, 2, T, V), T); });
  EXPECT_NE(error_of(ErrorKind::usage, [&] { t.accumulate(batch(0)); }).find("label_counts"),
            std::string::npos);
  EXPECT_EQ(t.weights_hash(), before);
  run(t, 1);  // and is none the worse for it
  Trainer fresh = trainer({.micro_batch = 3});
  run(fresh, 1);
  EXPECT_EQ(t.weights_hash(), fresh.weights_hash());
}

TEST(Trainer, AWrongIdInALaterMicroBatchLeavesTheStepUndone) {
  Trainer t = trainer({.micro_batch = 3});
  Batch b = batch(0);
  b.ids[static_cast<std::size_t>(4 * T)] = V;
  error_of(ErrorKind::input, [&] { t.step(b, adamw); });
  ASSERT_NO_THROW(t.step(batch(0), adamw));
  Trainer fresh = trainer({.micro_batch = 3});
  fresh.step(batch(0), adamw);
  EXPECT_EQ(t.weights_hash(), fresh.weights_hash());
}

TEST(Trainer, BatchesAreSpansOfTheCallers) {
  Trainer owned = trainer(), spans = trainer();
  const Batch b = batch(0);
  const std::vector<std::int32_t> ids = b.ids, labels = b.labels;
  const StepResult expected = owned.step(b, adamw);
  EXPECT_EQ(spans.step({.batch = B, .seq = T, .ids = ids, .labels = labels}, adamw).loss, expected.loss);
  EXPECT_EQ(spans.weights_hash(), owned.weights_hash());
}

// Every position alike and far from its label: each one's gradient of the head's row is finite, their sum is
// not, while the loss is.
TEST(Trainer, AGradientThatIsNotFiniteKeepsTheWeights) {
  Trainer t(TrainPlan(TinyGpt2{.dropout = 0}.model(), {.batch = B, .seq = T, .threads = 1}));
  const auto fill = [&](const char* name, const std::function<float(std::size_t)>& value) {
    std::vector<float> values(static_cast<std::size_t>(t.plan().model().size(name)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(i);
    t.write(name, values);
  };
  fill("transformer.wpe.weight", [](std::size_t i) { return i % 51 % 2 ? 1.0f : -1.0f; });
  fill("transformer.wte.weight", [](std::size_t i) { return static_cast<float>(i % 7) * 1e-38f; });
  fill("transformer.ln_f.weight", [](std::size_t) { return 1e38f; });
  const std::string before = t.weights_hash();
  const std::vector<std::int32_t> alike(static_cast<std::size_t>(B * T), 3);
  const double loss = t.accumulate({.batch = B, .seq = T, .ids = alike, .labels = alike}, 1);
  EXPECT_TRUE(std::isfinite(loss));
  const std::string message = error_of(ErrorKind::failed, [&] { t.update(adamw); });
  EXPECT_NE(message.find("the gradients' norm is not finite"), std::string::npos) << message;
  EXPECT_NE(message.find("linear_weight_gradient"), std::string::npos) << message;
  EXPECT_EQ(t.weights_hash(), before);
  EXPECT_EQ(t.steps(), 0);
  fill("transformer.ln_f.weight", [](std::size_t) { return 1.0f; });
  EXPECT_NO_THROW(t.step(batch(0), adamw));
}

TEST(Trainer, AnUpdateThatEndsHalfwayRefusesAllButResume) {
  const TrainPlan plan(TinyGpt2{}.model(), {.batch = B, .seq = T, .threads = 1});
  Trainer::Impl t(plan);
  t.require_whole();
  EXPECT_ANY_THROW(t.run_writing(1000));  // no such program: as if the update itself had thrown
  const std::string message = error_of(ErrorKind::failed, [&] { t.require_whole(); });
  EXPECT_NE(message.find("an update ended halfway"), std::string::npos) << message;
  EXPECT_NE(message.find("resume()"), std::string::npos) << message;
  t.derive();  // what resume() ends with
  EXPECT_NO_THROW(t.require_whole());
}

TEST(Trainer, TwoThreadsAtOnceAreToldSo) {
  Trainer t = trainer();
  std::atomic<bool> told{false};
  std::atomic<int> rounds{0};
  const auto use = [&] {
    while (!told && rounds++ < 20000) {
      try {
        t.evaluate(batch(0));
      } catch (const Error& e) {
        told = e.kind() == ErrorKind::usage;
      }
    }
  };
  std::thread other(use);
  use();
  other.join();
  EXPECT_TRUE(told);
  EXPECT_NO_THROW(t.step(batch(0), adamw));
}

}  // namespace
}  // namespace hone
