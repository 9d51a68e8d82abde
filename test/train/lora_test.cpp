// Training an adapter beside a frozen model: its numbers against PEFT's, the same bits however it is
// computed, and what it does without.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "file/safetensors.hpp"
#include "hone/eval.hpp"
#include "hone/lora.hpp"
#include "hone/verify.hpp"
#include "machine/isa.hpp"
#include "model/model_impl.hpp"
#include "tiny_gpt2.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6, T = 20, V = 67;

const LoraOptions usual{.rank = 3, .alpha = 12, .dropout = 0.1f, .targets = {"c_attn", "c_fc"}};

Model adapted_model(const LoraOptions& options = usual) { return with_lora(TinyGpt2{}.model(), options); }

TrainPlan planned(const Model& model, TrainPlanOptions o = {}) {
  o.batch = B, o.seq = T, o.seed = 5;
  if (o.threads == 0) o.threads = 1;
  return {model, o};
}

void train(Trainer& t, std::int64_t to, float lr = 1e-2f) {
  for (auto n = t.steps(); n < to; n = t.steps()) t.step(toy_batch(n, B, T, V), {.lr = lr, .clip = 1});
}

std::map<std::string, std::int64_t> parts(const TrainPlan& plan) {
  std::map<std::string, std::int64_t> all;
  for (const auto& [name, bytes] : plan.forecast().breakdown) all[name] += bytes;
  return all;
}

// By peft 0.21 on PyTorch 2.15: bench/peers/lora_golden.py.
class PeftGolden : public testing::TestWithParam<std::tuple<const char*, Isa>> {};

TEST_P(PeftGolden, LogitsLossGradientsAndLossesAgree) {
  const auto& [adapter, isa] = GetParam();
  if (!cpu_has(isa)) GTEST_SKIP();
  const std::string folder = HONE_TEST_DATA "/adapters/" + std::string(adapter);
  const VerifyReport r = verify(folder, folder + "/golden.safetensors", {.isa = std::string(name(isa))});
  EXPECT_TRUE(r.ok) << "logits " << r.errors.logits << " loss " << r.errors.loss << " gradients "
                    << r.errors.gradients << " losses " << r.errors.losses << "; worst: " << r.worst;
}

INSTANTIATE_TEST_SUITE_P(Each, PeftGolden,
                         testing::Combine(testing::Values("gpt2", "gpt2_rslora", "llama", "gemma3_text"),
                                          testing::ValuesIn(all_isas)),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param)) + "_" +
                                  std::string(name(std::get<1>(each.param)));
                         });

TEST(Lora, TenStepsLeadToPeftsWeights) {
  const std::string folder = HONE_TEST_DATA "/adapters/gpt2";
  const SafetensorsFile golden(folder + "/golden.safetensors");
  const Model model = open(folder);
  const auto read_ids = [&](const char* tensor) {
    const SafetensorsEntry& entry = golden.at(tensor);
    std::vector<std::int64_t> wide(entry.bytes / 8);
    golden.read(entry, std::as_writable_bytes(std::span(wide)));
    return std::vector<std::int32_t>(wide.begin(), wide.end());
  };
  const auto ids = read_ids("in.input_ids"), own = read_ids("in.labels");
  const std::int64_t seq = golden.at("in.input_ids").shape[1];
  Batch batch{2, seq, ids, {}};
  for (std::size_t i = 0; i < own.size(); ++i)
    batch.labels.push_back((i + 1) % static_cast<std::size_t>(seq) == 0 ? -100 : own[i + 1]);
  Trainer t(TrainPlan(model, {.batch = 2, .seq = seq, .threads = 1, .decay_all = true}));
  for (int n = 0; n < 10; ++n)
    t.step(batch,
           {.lr = 1e-3f, .clip = 1, .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .weight_decay = 0.1f});
  for (const ParameterSpec& spec : model.impl().saved(model.impl().specs)) {
    std::vector<float> found(static_cast<std::size_t>(spec.shape.elements())), expected(found.size()),
        before(found.size());
    golden.read(golden.at("after." + spec.name), std::as_writable_bytes(std::span(expected)));
    t.read(spec.name, found);
    model.read(spec.name, before);
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 2e-4) << spec.name << " " << i;  // a step moves a weight by 1e-3
      EXPECT_NE(found[i], before[i]);
    }
  }
}

TEST(Lora, GradientsAreThoseOfFiniteDifferences) {
  LoraOptions o = usual;
  o.dropout = 0, o.targets = {"all-linear"};
  const Model model = with_lora(TinyGpt2{.dropout = 0}.model(), o);
  TrainPlanOptions keep;
  for (const ParameterSpec& spec : model.impl().saved(model.impl().specs)) keep.keep.push_back(spec.name);
  const Batch batch = toy_batch(9, B, T, V);
  int moved = 0;
  for (const std::string& name : keep.keep) {
    std::vector<float> values(static_cast<std::size_t>(model.size(name))), gradient(values.size());
    Trainer one(planned(model, keep));
    train(one, 3);  // B is zero at first, and A without a gradient then
    one.accumulate(batch, batch.tokens());
    one.read_gradient(name, gradient);
    one.discard();
    one.read(name, values);
    const auto at = static_cast<std::size_t>(
        std::max_element(gradient.begin(), gradient.end(),
                         [](float a, float b) { return std::abs(a) < std::abs(b); }) -
        gradient.begin());
    const auto loss_with = [&](float value) {
      auto changed = values;
      changed[at] = value;
      one.write(name, changed);
      return one.evaluate(batch).loss;
    };
    const float h = 3e-2f * std::max(0.1f, std::abs(values[at]));
    const double slope =
        (loss_with(values[at] + h) - loss_with(values[at] - h)) / (2.0 * static_cast<double>(h));
    EXPECT_NEAR(static_cast<double>(gradient[at]) / slope, 1, 2e-2) << name;
    moved += gradient[at] != 0;
  }
  EXPECT_EQ(moved, static_cast<int>(keep.keep.size()));
}

TEST(Lora, BeginsAsItsBaseAndLeavesItAsItIs) {
  const Model base = TinyGpt2{}.model(), model = with_lora(base, usual);
  const Batch batch = toy_batch(3, B, T, V);
  Trainer plain(planned(base)), t(planned(model));
  EXPECT_EQ(t.evaluate(batch).loss, plain.evaluate(batch).loss);
  train(t, 30);
  EXPECT_LT(t.evaluate(toy_batch(99, B, T, V)).loss, plain.evaluate(toy_batch(99, B, T, V)).loss - 0.1);
  for (const WeightInfo& w : base.weights()) {
    std::vector<float> before(static_cast<std::size_t>(base.size(w.name))), after(before.size());
    base.read(w.name, before), t.read(w.name, after);
    EXPECT_EQ(before, after) << w.name;
  }
  EXPECT_EQ(t.model().weights_hash(), t.weights_hash());
  EXPECT_NE(t.weights_hash(), model.weights_hash());
}

TEST(Lora, FrozenWeightsTakeNeitherGradientsNorStatesNorRoomInTheArena) {
  const Model base = TinyGpt2{}.model(), model = with_lora(base, usual);
  const std::int64_t own = adapter_parameters(model) * 4;
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const TrainPlan plan = planned(model, {.precision = precision}),
                    full = planned(base, {.precision = precision});
    const auto of = parts(plan);
    EXPECT_EQ(of.at("optimizer"), 2 * own) << name(precision);
    EXPECT_EQ(of.at("gradients"), own);
    EXPECT_EQ(of.at("weights"), own);
    const std::int64_t frozen = of.at("frozen weights"), all = base.parameters() * 4;
    EXPECT_EQ(frozen == all, precision == Precision::f32) << "only what is computed with";
    EXPECT_LT(plan.peak_bytes(), full.peak_bytes());
    Trainer::Impl impl(plan);
    EXPECT_EQ(static_cast<std::int64_t>(impl.executor.arena().size()) + plan.impl().job.held_bytes(),
              plan.forecast().arena_bytes);
  }
}

// Below the first adapter there is no gradient, and none of a weight that is frozen.
TEST(Lora, NothingIsComputedForWhatIsFrozen) {
  LoraOptions o = usual;
  o.targets = {"h.1.mlp.c_proj"};
  const TrainPlan plan = planned(adapted_model(o));
  const std::string text = hone::print(plan.impl().job.programs()[plan.impl().micro[0].train]);
  const auto count = [&](const std::string& what) {
    std::size_t n = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("linear_weight_gradient("), 2u);
  EXPECT_EQ(count("column_sum("), 0u);
  EXPECT_EQ(count("attention_gradient("), 0u);
  EXPECT_EQ(count("embedding_gradient("), 0u);
  EXPECT_EQ(count("linear_input_gradient("), 2u);  // the head, and B
}

class LoraBits : public testing::TestWithParam<Precision> {};

TEST_P(LoraBits, AreTheSameForAnyThreadsSplitAndBudget) {
  LoraOptions o = usual;
  o.targets = {"all-linear"};
  const Model model = adapted_model(o);
  const auto hash = [&](TrainPlanOptions options) {
    options.precision = GetParam();
    Trainer t(planned(model, options));
    train(t, 5);
    return t.weights_hash();
  };
  const std::string expected = hash({.micro_batch = B});
  for (const int threads : {2, 3})
    EXPECT_EQ(hash({.micro_batch = B, .threads = threads}), expected) << threads;
  for (const int micro : {1, 2, 4}) EXPECT_EQ(hash({.micro_batch = micro, .threads = 2}), expected) << micro;
  const TrainPlan whole = planned(model, {.precision = GetParam()});
  EXPECT_EQ(hash({.memory_bytes = whole.peak_bytes() - (std::int64_t{100} << 10)}), expected);
}

TEST_P(LoraBits, AreThoseOfAResumedRun) {
  const TemporaryFolder folder;
  Trainer whole(planned(adapted_model(), {.precision = GetParam()}));
  train(whole, 3);
  whole.save_checkpoint(folder.file("c"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("c/model.safetensors")));
  EXPECT_LT(std::filesystem::file_size(folder.file("c/adapter_model.safetensors")), 20000u);
  Trainer again(planned(adapted_model(), {.micro_batch = 2, .precision = GetParam()}));
  again.resume(folder.file("c"));
  train(whole, 6), train(again, 6);
  EXPECT_EQ(again.weights_hash(), whole.weights_hash());
  Trainer other(planned(adapted_model({.rank = 2}), {.precision = GetParam()}));
  error_of(ErrorKind::usage, [&] { other.resume(folder.file("c")); });
  Trainer full(planned(TinyGpt2{}.model(), {.precision = GetParam()}));
  error_of(ErrorKind::usage, [&] { full.resume(folder.file("c")); });
}

INSTANTIATE_TEST_SUITE_P(Each, LoraBits, testing::Values(Precision::f32, Precision::bf16, Precision::fp16),
                         [](const auto& each) { return std::string(name(each.param)); });

TEST(Lora, LearnsWithEveryOptimizerAndInBf16Alone) {
  const Model model = adapted_model();
  for (const std::string& optimizer : optimizers()) {
    Trainer whole(planned(model, {.optimizer = optimizer})),
        pieces(planned(model, {.micro_batch = 4, .optimizer = optimizer, .threads = 2}));
    const double before = whole.evaluate(toy_batch(50, B, T, V)).loss;
    const float lr = optimizer == "sgd" ? 1.0f : optimizer == "lion" ? 3e-3f : 1e-2f;
    train(whole, 20, lr), train(pieces, 20, lr);
    EXPECT_LT(whole.evaluate(toy_batch(50, B, T, V)).loss, before) << optimizer;
    EXPECT_EQ(whole.weights_hash(), pieces.weights_hash()) << optimizer;
  }
  Trainer low(planned(model, {.precision = Precision::bf16, .master = Precision::bf16}));
  const double before = low.evaluate(toy_batch(50, B, T, V)).loss;
  train(low, 20);
  EXPECT_LT(low.evaluate(toy_batch(50, B, T, V)).loss, before);
}

TEST(Lora, ABaseWeightIsNotWritten) {
  const Model model = adapted_model();
  Trainer t(planned(model));
  const std::string name = "transformer.wpe.weight";
  std::vector<float> values(static_cast<std::size_t>(model.size(name)));
  EXPECT_NE(error_of(ErrorKind::usage, [&] { t.write(name, values); }).find("leaves as it is"),
            std::string::npos);
}

}  // namespace
}  // namespace hone
