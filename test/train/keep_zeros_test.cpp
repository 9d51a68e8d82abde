// Training that leaves a pruned model's zeros.
#include <gtest/gtest.h>

#include <algorithm>

#include "hone/lora.hpp"
#include "hone/prune.hpp"
#include "hone/train.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

const TinyGpt2 tiny{.dropout = 0};

struct Ran {
  std::string hash;
  std::int64_t woken = 0, changed = 0;  // pruned weights that are zero no more; all that are another number
};

Ran run(const Model& model, const TrainPlanOptions& options, bool clip) {
  Trainer trainer{TrainPlan(model, options)};
  for (std::int64_t n = 0; n < 4; ++n)
    trainer.step(toy_batch(n, options.batch, options.seq, tiny.vocab_size),
                 {.lr = 1e-2f, .clip = clip ? 1.0f : 0.0f, .weight_decay = 0.1f});
  Ran ran{trainer.model().weights_hash()};
  for (const WeightInfo& w : model.weights()) {
    std::vector<float> before(static_cast<std::size_t>(model.size(w.name))), after(before.size());
    model.read(w.name, before);
    trainer.model().read(w.name, after);
    const bool product = w.name.find(".c_") != std::string::npos && w.shape.size() == 2;
    for (std::size_t i = 0; i < before.size(); ++i) {
      ran.woken += product && before[i] == 0 && after[i] != 0;
      ran.changed += before[i] != after[i];
    }
  }
  return ran;
}

TEST(KeepZeros, WithEveryOptimizerThatCan) {
  const Model model = prune(tiny.model(), {.sparsity = 0.5}).model;
  for (const std::string& optimizer : optimizers()) {
    const TrainPlanOptions o{.batch = 4, .seq = 16, .optimizer = optimizer, .keep_zeros = true};
    if (optimizer == "muon") {
      EXPECT_NE(error_of(ErrorKind::usage, [&] { TrainPlan(model, o); }).find("zeros do not stay"),
                std::string::npos);
      continue;
    }
    const Ran ran = run(model, o, true);
    EXPECT_EQ(ran.woken, 0) << optimizer;
    EXPECT_GT(ran.changed, model.parameters() / 3) << optimizer;
  }
}

TEST(KeepZeros, InEveryWayThatAStepIsDone) {
  const Model model = prune(tiny.model(), {.pattern = "2:4"}).model;
  TrainPlanOptions o{.batch = 4, .micro_batch = 4, .seq = 16, .keep_zeros = true};
  const Ran whole = run(model, o, true);
  EXPECT_EQ(whole.woken, 0);
  o.micro_batch = 1, o.threads = 1;
  EXPECT_EQ(run(model, o, true).hash, whole.hash);  // of any micro-batches
  const std::string unclipped = run(model, o, false).hash;
  o.micro_batch = 4, o.clipping = false;  // updates inside of backward
  EXPECT_EQ(run(model, o, false).hash, unclipped);
  o.precision = o.master = Precision::bf16;
  EXPECT_EQ(run(model, o, false).woken, 0);
  o.keep_zeros = false;
  EXPECT_GT(run(model, o, false).woken, 0);
}

TEST(KeepZeros, NotOfAnAdapter) {
  const Model adapted = with_lora(tiny.model(), {});
  EXPECT_NE(
      error_of(ErrorKind::usage, [&] { TrainPlan(adapted, {.batch = 1, .seq = 8, .keep_zeros = true}); })
          .find("an adapter leaves"),
      std::string::npos);
}

}  // namespace
}  // namespace hone
