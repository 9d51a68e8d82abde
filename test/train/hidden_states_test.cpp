// Learning from a teacher's hidden states and attention: what the loss is, where it is nothing, and the same
// bits however a run is computed.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "hone/distill.hpp"
#include "tiny_gpt2.hpp"
#include "train/taught_run.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6, T = 20, V = 67;

const Model& teacher() {
  static const Model trained = [] {
    Trainer t(TrainPlan(TinyGpt2{.layers = 4, .dropout = 0}.model(),
                        {.batch = B, .seq = T, .threads = 1, .seed = 3}));
    for (std::int64_t n = 0; n < 40; ++n) t.step(toy_batch(n, B, T, V), {.lr = 1e-2f, .clip = 1});
    return t.model();
  }();
  return trained;
}

Model narrow_student() { return TinyGpt2{.layers = 2, .heads = 2, .width = 32, .dropout = 0}.model(); }

DistillLoss loss_for(const Model& student, float hidden, const std::string& pairs = {}, float attention = 0) {
  DistillLoss loss{.top_k = 8, .hidden = hidden, .attention = attention};
  if (hidden > 0 || attention > 0) loss.layers = layer_map(teacher(), student, pairs);
  return loss;
}
DistillLoss relations_for(const Model& student, float attention, const std::string& pairs = {}) {
  return loss_for(student, 0, pairs, attention);
}

std::string text_of(const LayerMap& map) {
  std::string text;
  for (const LayerPair& p : map.pairs) text += std::to_string(p.student) + std::to_string(p.teacher) + " ";
  return text;
}

TEST(HiddenStates, AreHeldAgainstLayersSpreadEvenlyOrAsTheMapSays) {
  const Model two = student_of(teacher(), {.layers = 2}), nano = preset("nano", {.vocab_size = V});
  EXPECT_EQ(text_of(layer_map(teacher(), two)), "01 13 ");
  EXPECT_EQ(text_of(layer_map(teacher(), teacher())), "00 11 22 33 ");
  EXPECT_EQ(text_of(layer_map(nano, two)), "02 15 ");
  EXPECT_EQ(text_of(layer_map(teacher(), nano)), "00 10 21 31 42 53 ");
  EXPECT_EQ(text_of(layer_map(teacher(), two, "1=0,0=3")), "10 03 ");
  EXPECT_EQ(layer_map(nano, two).teacher_width, 384);
  EXPECT_EQ(layer_map(preset("llama-tiny"), two).pairs.size(), 2u);
  const auto refused = [&](const char* pairs, const char* words) {
    EXPECT_NE(error_of(ErrorKind::usage, [&] { layer_map(teacher(), two, pairs); }).find(words),
              std::string::npos)
        << pairs;
  };
  refused("2=0", "the student has no such layer");
  refused("0=4", "the teacher has no such layer");
  for (const char* pairs : {"0", "0=", "=1", "0=1,", "0:1", "0=1;1=2", "-1=0"})
    refused(pairs, "no map of layers");
  refused("0=1,0=2", "named twice");
  error_of(ErrorKind::usage, [&] { layer_map(preset("transformer-tiny"), two); });
}

std::vector<float> states(const Model& model, std::int64_t layer, const Batch& batch) {
  DistillLoss loss{.hidden = 1};
  loss.layers.pairs = {{0, layer}};
  Teacher knows(model, {.batch = B, .seq = T, .loss = loss, .threads = 1});
  return knows.soft_labels(batch.samples()).states.begin()->second;
}

// By cosines.
double distance(const Model& student, std::int64_t own, std::int64_t other, const Batch& batch) {
  const auto x = states(student, own, batch), y = states(teacher(), other, batch);
  const std::size_t C = x.size() / batch.labels.size();
  double sum = 0;
  for (std::size_t r = 0; r < batch.labels.size(); ++r) {
    if (batch.labels[r] == -100) continue;
    double xx = 0, yy = 0, xy = 0;
    for (std::size_t i = r * C; i < (r + 1) * C; ++i) {
      const auto a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
      xx += a * a, yy += b * b, xy += a * b;
    }
    sum += 2 - 2 * xy / std::sqrt(xx * yy);
  }
  return sum / static_cast<double>(batch.tokens());
}

TrainPlan plan_for(const Model& student, const DistillLoss& loss, TrainPlanOptions o = {}) {
  o.batch = B, o.seq = T, o.seed = 5, o.objective = distillation(loss);
  if (o.threads == 0) o.threads = 1;
  return {student, o};
}

// A trainer beside its teacher.
struct Lesson {
  Lesson(const Model& student, const DistillLoss& loss, const TrainPlanOptions& o = {})
      : trainer(plan_for(student, loss, o)),
        knows(teacher(), {.batch = B, .seq = T, .loss = loss, .precision = o.precision, .threads = 1}) {}
  StepResult step(const Batch& batch, const StepOptions& o) {
    const SoftLabels soft = knows.soft_labels(batch.samples());
    return trainer.step(soft.beside(batch.samples()), o);
  }
  void steps(std::int64_t last) {
    while (trainer.steps() < last) step(toy_batch(trainer.steps(), B, T, V), {.lr = 1e-2f, .clip = 1});
  }
  Trainer trainer;
  Teacher knows;
};

TEST(HiddenStates, LossIsTheirDistance) {
  const Model student = student_of(teacher(), {.layers = 2});
  const Batch batch = toy_batch(9, B, T, V);
  const double without = Lesson(student, loss_for(student, 0)).step(batch, {.lr = 0}).loss;
  const double with = Lesson(student, loss_for(student, 3, "0=1,1=2")).step(batch, {.lr = 0}).loss;
  const double expected = 3 * (distance(student, 0, 1, batch) + distance(student, 1, 2, batch)) / 2;
  EXPECT_GT(expected, 0.1);
  EXPECT_NEAR(with - without, expected, 1e-5 * expected);
}

TEST(HiddenStates, OfTheTeacherItselfAreNothingToLearn) {
  const Batch batch = toy_batch(9, B, T, V);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const TrainPlanOptions o{.precision = precision};
    const StepResult plain = Lesson(teacher(), loss_for(teacher(), 0), o).step(batch, {.lr = 0});
    const StepResult same = Lesson(teacher(), loss_for(teacher(), 100), o).step(batch, {.lr = 0});
    EXPECT_EQ(same.loss, plain.loss);
    EXPECT_EQ(same.grad_norm, plain.grad_norm);
    const StepResult related = Lesson(teacher(), relations_for(teacher(), 100), o).step(batch, {.lr = 0});
    EXPECT_EQ(related.loss, plain.loss);
    EXPECT_EQ(related.grad_norm, plain.grad_norm);
  }
}

using Operands = std::map<std::string, std::vector<float>>;

Operands operands(const Model& model, std::int64_t layer, const Batch& batch) {
  DistillLoss loss{.attention = 1};
  loss.layers.pairs = {{0, layer}};
  Teacher knows(model, {.batch = B, .seq = T, .loss = loss, .threads = 1});
  Operands named;
  for (auto& [name, values] : knows.soft_labels(batch.samples()).states)
    named[name.substr(0, name.rfind('_'))] = std::move(values);
  return named;
}

// The mean divergence between relations of one head, by its definition.
double divergence(const std::vector<float>& own, const std::vector<float>& other, const Batch& batch) {
  const auto probabilities = [&](const std::vector<float>& x, std::size_t first, std::size_t t) {
    const std::size_t W = x.size() / static_cast<std::size_t>(B * T);
    std::vector<double> p;
    double sum = 0;
    for (std::size_t j = 0; j <= t; ++j) {
      double score = 0;
      for (std::size_t i = 0; i < W; ++i)
        score += static_cast<double>(x[(first + t) * W + i]) * static_cast<double>(x[(first + j) * W + i]);
      p.push_back(std::exp(score / std::sqrt(static_cast<double>(W))));
      sum += p.back();
    }
    for (double& value : p) value /= sum;
    return p;
  };
  double sum = 0;
  for (std::size_t row = 0; row < batch.labels.size(); ++row) {
    if (batch.labels[row] == -100) continue;
    const std::size_t t = row % static_cast<std::size_t>(T), first = row - t;
    const auto p = probabilities(own, first, t), q = probabilities(other, first, t);
    for (std::size_t j = 0; j <= t; ++j) sum += q[j] * std::log(q[j] / p[j]);
  }
  return sum / static_cast<double>(batch.tokens());
}

double relations_apart(const Model& student, std::int64_t own, std::int64_t other, const Batch& batch) {
  const Operands mine = operands(student, own, batch), its = operands(teacher(), other, batch);
  double sum = 0;
  for (const auto& [part, values] : mine) sum += divergence(values, its.at(part), batch) / 3;
  return sum;
}

// 51 and 32 are cut into one head, as neither other number divides both.
TEST(Attention, LossIsTheDivergenceOfRelations) {
  for (const Model& student : {student_of(teacher(), {.layers = 2}), narrow_student()}) {
    const Batch batch = toy_batch(9, B, T, V);
    DistillLoss loss = relations_for(student, 3, "0=1,1=2");
    loss.relation_heads = 1;
    const double without = Lesson(student, loss_for(student, 0)).step(batch, {.lr = 0}).loss;
    const double with = Lesson(student, loss).step(batch, {.lr = 0}).loss;
    const double expected =
        3 * (relations_apart(student, 0, 1, batch) + relations_apart(student, 1, 2, batch)) / 2;
    EXPECT_GT(expected, 1e-3);
    EXPECT_NEAR(with - without, expected, 1e-4 * expected + 1e-6);
  }
}

TEST(Attention, ComesNearerByTraining) {
  const Model begin = narrow_student();
  Lesson without(begin, loss_for(begin, 0)), with(begin, relations_for(begin, 3));
  without.steps(40), with.steps(40);
  const Batch batch = toy_batch(100, B, T, V);
  const auto both = [&](const Model& student) {
    return relations_apart(student, 0, 1, batch) + relations_apart(student, 1, 3, batch);
  };
  EXPECT_LT(both(with.trainer.model()), 0.5 * both(begin));
  EXPECT_LT(both(with.trainer.model()), 0.5 * both(without.trainer.model()));
  EXPECT_EQ(with.trainer.evaluate(batch).terms.size(), 1u);
}

// Heads of queries in groups, which share keys and values.
TEST(Attention, OfModelsOfOtherFamiliesIsCompared) {
  const ModelOptions o{.vocab_size = V, .context = 32};
  const Model student = preset("llama-tiny", o);  // keys half as wide as queries
  const LayerMap map = layer_map(teacher(), student);
  EXPECT_EQ(map.teacher_queries, 51);
  EXPECT_EQ(layer_map(student, teacher()).teacher_keys, 64);
  Lesson lesson(student, relations_for(student, 1));
  EXPECT_GT(lesson.step(toy_batch(0, B, T, V), {.lr = 0}).grad_norm, 0);
}

TEST(HiddenStates, ComeNearerByTraining) {
  const Model begin = student_of(teacher(), {.layers = 2});
  Lesson without(begin, loss_for(begin, 0)), with(begin, loss_for(begin, 2));
  without.steps(30), with.steps(30);
  const Batch batch = toy_batch(100, B, T, V);
  for (const std::int64_t layer : {0, 1}) {
    const double first = distance(begin, layer, 2 * layer + 1, batch);
    EXPECT_LT(distance(with.trainer.model(), layer, 2 * layer + 1, batch), 0.6 * first) << layer;
    EXPECT_LT(distance(with.trainer.model(), layer, 2 * layer + 1, batch),
              0.8 * distance(without.trainer.model(), layer, 2 * layer + 1, batch))
        << layer;
  }
  const EvalResult plain = with.trainer.evaluate(batch);
  EXPECT_EQ(plain.terms.size(), 1u);
  Trainer alone(TrainPlan(with.trainer.model(), {.batch = B, .seq = T, .threads = 1}));
  EXPECT_EQ(alone.evaluate(batch).loss, plain.loss);
}

// The product through which it learns is trained, kept in checkpoints, and not the student's.
TEST(HiddenStates, OfAnotherWidthGoThroughAProductThatIsNoPartOfTheStudent) {
  const Model student = narrow_student();
  Lesson whole(student, loss_for(student, 2)), parts(student, loss_for(student, 2));
  const double first = whole.step(toy_batch(0, B, T, V), {.lr = 1e-2f, .clip = 1}).loss;
  whole.steps(30);
  EXPECT_LT(whole.step(toy_batch(0, B, T, V), {.lr = 0}).loss, first - 1);
  EXPECT_EQ(whole.trainer.model().weights().size(), student.weights().size());

  parts.steps(9);
  const TemporaryFolder folder;
  parts.trainer.save_checkpoint(folder.file("nine"));
  EXPECT_EQ(open(folder.file("nine")).weights_hash(), parts.trainer.weights_hash());  // opens as the student
  Lesson resumed(student, loss_for(student, 2), {.micro_batch = 1, .threads = 2});
  resumed.trainer.resume(folder.file("nine"));
  parts.steps(14), resumed.steps(14);
  EXPECT_EQ(resumed.trainer.weights_hash(), parts.trainer.weights_hash());
  Lesson other(student, loss_for(student, 1));
  EXPECT_NE(
      error_of(ErrorKind::usage, [&] { other.trainer.resume(folder.file("nine")); }).find("another task"),
      std::string::npos);
}

TEST(HiddenStates, HaveTheSameBitsInAnyMicroBatchAndThreads) {
  for (const Model& student : {student_of(teacher(), {.layers = 2}), narrow_student()})
    for (const char* optimizer : {"adamw", "muon"})
      for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
        const auto hash = [&](TrainPlanOptions o, float hidden, float attention) {
          o.precision = precision, o.optimizer = optimizer;
          Lesson lesson(student, loss_for(student, hidden, {}, attention), o);
          lesson.steps(4);
          return lesson.trainer.weights_hash();
        };
        const std::string whole = hash({}, 1, 1);
        EXPECT_EQ(hash({.micro_batch = 1, .threads = 3}, 1, 1), whole) << optimizer;
        EXPECT_EQ(hash({.micro_batch = 4}, 1, 1), whole) << optimizer;
        EXPECT_NE(hash({}, 0.5f, 1), whole);
        EXPECT_NE(hash({}, 1, 0.5f), whole);
      }
}

TEST(HiddenStates, NeedAMapAndNumbersThatAreSome) {
  error_of(ErrorKind::usage, [] { distillation({.hidden = -1}); });
  error_of(ErrorKind::usage, [] { distillation({.hidden = std::nanf("")}); });
  error_of(ErrorKind::usage, [] { distillation({.attention = -1}); });
  DistillLoss loss = relations_for(teacher(), 1);
  loss.relation_heads = 2;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { plan_for(teacher(), loss); }).find("a divisor of 51"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorKind::usage, [] { distillation({.hidden = 1}); }).find("map of layers"),
            std::string::npos);
}

class HiddenRun : public TaughtRun {
 protected:
  HiddenRun() { run_.distill->loss.hidden = 1; }
};

TEST_F(HiddenRun, LearnsAndGoesOnToTheSameBits) {
  run_.distill->layers = 0;
  run_.model = folder_.write(
      "config.json", R"({"model_type": "gpt2", "n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 16})");
  std::string said;
  run_.on_message = [&](const std::string& line) { said += line + "\n"; };
  const RunSummary whole = train(run_);
  EXPECT_NE(said.find("the teacher's: 0=1, through learned products from 16 to 128"), std::string::npos)
      << said;
  EXPECT_EQ(open(run_.out).weights_hash(), whole.weights_hash);

  EXPECT_EQ(hash_after_a_kill(), whole.weights_hash);

  // the forecast has the states that a step brings along, and the teacher that makes them
  const TrainPlan with = plan_of(run_);
  run_.distill->loss.hidden = 0;
  const TrainPlan without = plan_of(run_);
  EXPECT_GE(with.peak_bytes() - without.peak_bytes(), 4 * 16 * 128 * 4);
  EXPECT_GT(with.options().teacher_bytes, 0);
}

TEST_F(HiddenRun, RefusesWhatDoesNotGoTogether) {
  const auto refused = [&](const std::string& words) {
    EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run_); }).find(words), std::string::npos) << words;
    EXPECT_FALSE(std::filesystem::exists(run_.out + "/model.safetensors"));
  };
  run_.distill->map = "0=2";
  refused("the teacher has no such layer");
  run_.distill->map = "1=1";
  refused("the student has no such layer");
  run_.distill->map = "0=1";
  run_.distill->cache = folder_.file("cache");
  refused("teacher-cache");
  run_.distill->cache.clear();
  run_.distill->loss.hidden = 0;
  refused("no --hidden");
  run_.distill->loss.attention = 1;
  run_.packing = true;
  refused("packing");
  run_.packing = false;
  run_.distill->loss.attention = 0;
  run_.distill->loss.relation_heads = 2;
  refused("no --hidden");
  run_.distill->map.clear();
  refused("relation-heads");
  run_.distill->loss.relation_heads = 0;
  run_.distill->map = "0=1";
  run_.distill->loss.hidden = 1;
  run_.steps = 2;
  train(run_);
  run_.steps = 4;
  run_.distill->map = "0=0";
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run_); }).find("another --map"), std::string::npos);
  run_.distill->map = "0=1";
  run_.distill->loss.hidden = 2;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run_); }).find("another --hidden"), std::string::npos);
  run_.distill->loss.hidden = 1;
  run_.distill->loss.attention = 1;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run_); }).find("another --attention"), std::string::npos);
}

}  // namespace
}  // namespace hone
