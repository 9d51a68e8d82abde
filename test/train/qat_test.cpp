// Quantization-aware training: what is trained through, evaluated and quantized afterwards are the same
// weights.
#include <gtest/gtest.h>

#include "compress/weight_values.hpp"
#include "hone/lora.hpp"
#include "hone/prune.hpp"
#include "hone/quantize.hpp"
#include "hone/text.hpp"
#include "hone/train.hpp"
#include "model/coded_matrices.hpp"
#include "model/model_impl.hpp"
#include "temporary_folder.hpp"
#include "train/pruned_matrices.hpp"

namespace hone {
namespace {

constexpr std::int64_t seq = 32;

Text text() {
  std::string all;
  for (int i = 0; i < 300; ++i)
    all += "the cat sat on the mat, and " + std::to_string(i * i % 97) + " mice ran. ";
  return Text::of(all);
}
Model model_of(const char* family) { return preset(family, {.vocab_size = 256, .seed = 5}); }

void train(Trainer& trainer, int steps, float clip = 1) {
  constexpr float lr = 3e-3f;
  const Text t = text();
  for (int n = 0; n < steps; ++n)
    trainer.step(t.batch(n, trainer.plan().batch(), seq), {.lr = lr, .clip = clip});
}
double loss_of(Trainer& trainer) {
  return trainer.evaluate(text().batch(1000, trainer.plan().batch(), seq)).loss;
}

// The values of a quantized model as those of a dense one.
Model dense(const Model& model, const Model& quantized) {
  std::map<std::string, std::vector<std::byte>> values;
  for (const MatrixWeight& w : matrices_of(model)) {
    const StoredWeight own =
        weight_from(model.impl().spec(w.name), weight_values(quantized, w.name), DType::f32);
    values[w.name] = {own.bytes.begin(), own.bytes.end()};
  }
  return with_weights(model, model.impl().store.with(std::move(values)));
}

QuantizeOptions as_quantized(const QatOptions& q) {
  return {.bits = static_cast<double>(q.bits),
          .group = q.group,
          .symmetric = q.symmetric.value_or(false),
          .table_bits = q.table_bits};
}

struct Case {
  const char* family;
  Precision precision;
  QatOptions qat;
};

class Qat : public testing::TestWithParam<Case> {};

TEST_P(Qat, EvaluatesWhatQuantizingGives) {
  const Case& c = GetParam();
  TrainPlanOptions o{.batch = 4, .seq = seq, .precision = c.precision};
  o.qat = c.qat;
  Trainer trainer(TrainPlan(model_of(c.family), o));
  train(trainer, 8);
  const double loss = loss_of(trainer);
  const Model after = trainer.model();
  const Model rounded = dense(after, quantize(after, nullptr, as_quantized(c.qat)).model);
  o.qat.reset();
  Trainer plain(TrainPlan(rounded, o));
  EXPECT_EQ(loss, loss_of(plain));
  Trainer behind(TrainPlan(after, o));
  EXPECT_NE(loss, loss_of(behind));
}

INSTANTIATE_TEST_SUITE_P(
    Each, Qat,
    testing::Values(Case{"llama-tiny", Precision::f32, {}}, Case{"tiny", Precision::f32, {}},
                    Case{"llama-tiny", Precision::bf16, {.bits = 3}},
                    Case{"tiny", Precision::bf16, {.bits = 2, .group = 32, .table_bits = 4}},
                    Case{"llama-tiny", Precision::f32, {.bits = 8, .group = 128}},
                    Case{"llama-tiny", Precision::f32, {.bits = 4, .group = 64, .symmetric = true}},
                    Case{"tiny", Precision::f32, {.bits = 4, .group = 48, .table_bits = 0}},
                    Case{"llama-tiny", Precision::fp16, {.bits = 3, .group = -1, .table_bits = 3}}));

// Two bits after training that knew of them, beside two bits after training that did not.
TEST(QatTraining, LosesLessThanRoundingAtTheEnd) {
  const QatOptions qat{.bits = 2, .group = 64};
  const auto loss_with = [&](std::optional<QatOptions> during) {
    TrainPlanOptions o{.batch = 8, .seq = seq};
    o.qat = during;
    Trainer trainer(TrainPlan(model_of("llama-tiny"), o));
    train(trainer, 120);
    const Model after = trainer.model();
    o.qat.reset();
    Trainer rounded(TrainPlan(dense(after, quantize(after, nullptr, as_quantized(qat)).model), o));
    return loss_of(rounded);
  };
  EXPECT_LT(loss_with(qat), 0.9 * loss_with({}));
}

TEST(QatTraining, HasTheSameBitsHoweverItIsDivided) {
  const auto hash = [](TrainPlanOptions o) {
    o.batch = 4, o.seq = seq, o.qat = QatOptions{.bits = 3};
    Trainer trainer(TrainPlan(model_of("tiny"), o));
    train(trainer, 3, o.clipping ? 1.0f : 0.0f);
    return trainer.weights_hash();
  };
  const std::string whole = hash({.micro_batch = 4, .threads = 1});
  EXPECT_EQ(hash({.micro_batch = 1, .threads = 2}), whole);
  EXPECT_EQ(hash({.micro_batch = 2, .threads = 3}), whole);
  EXPECT_EQ(hash({.micro_batch = 4, .threads = 1, .clipping = false}),
            hash({.micro_batch = 2, .threads = 2, .clipping = false}));
}

// A pruned model's zeros are a code, and stay.
TEST(QatTraining, ZerosStayBesideCodes) {
  const Model half = prune(model_of("llama-tiny"), {.method = "magnitude", .sparsity = 0.5}).model;
  TrainPlanOptions o{.batch = 4, .seq = seq, .keep_zeros = true};
  o.qat = QatOptions{.bits = 4};
  const TrainPlan plan(half, o);
  EXPECT_TRUE(*plan.options().qat->symmetric);
  Trainer trainer(plan);
  train(trainer, 5);
  EXPECT_NEAR(share_of_zeros(trainer.model()), 0.5, 0.001);
}

TEST(QatTraining, IsCountedInTheForecast) {
  TrainPlanOptions o{.batch = 4, .seq = seq};
  const std::int64_t without = TrainPlan(model_of("llama-tiny"), o).peak_bytes();
  std::int64_t copies = 0;
  for (const MatrixWeight& w : matrices_of(model_of("llama-tiny"))) copies += w.rows * w.columns * 4;
  o.qat = QatOptions{};
  EXPECT_GE(TrainPlan(model_of("llama-tiny"), o).peak_bytes(), without + copies);
}

TEST(QatTraining, RefusesWhatHasNoCodes) {
  const Model model = model_of("llama-tiny");
  const auto refused = [&](const Model& m, TrainPlanOptions o, const QatOptions& qat, const char* words) {
    o.batch = 2, o.seq = seq, o.qat = qat;
    const std::string message = error_of(ErrorKind::usage, [&] { TrainPlan(m, o); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  refused(model, {}, {.bits = 5}, "2, 3, 4 or 8");
  refused(model, {}, {.table_bits = 1}, "qat_table_bits");
  refused(model, {}, {.group = 0}, "whole row");
  refused(with_lora(model, {.rank = 2}), {}, {}, "an adapter");
  refused(model, {.precision = Precision::bf16, .master = Precision::bf16}, {}, "f32");
  refused(model, {.precision = Precision::bf16, .memory_bytes = 1, .allow = {"master"}}, {}, "f32");
}

}  // namespace
}  // namespace hone
