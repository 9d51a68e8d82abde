// Learning from a teacher: what a student begins as, what a teacher's soft labels are, and the same bits
// however a run is computed.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "hone/compare.hpp"
#include "hone/distill.hpp"
#include "run/logits.hpp"
#include "tiny_gpt2.hpp"
#include "train/taught_run.hpp"

namespace hone {
namespace {

constexpr std::int64_t B = 6, T = 20, V = 67;

std::vector<float> values(const Model& model, const std::string& name) {
  std::vector<float> v(static_cast<std::size_t>(model.size(name)));
  model.read(name, v);
  return v;
}

// Trained for a while: a teacher that prefers some ids.
const Model& teacher() {
  static const Model trained = [] {
    Trainer t(TrainPlan(TinyGpt2{.layers = 4, .dropout = 0}.model(),
                        {.batch = B, .seq = T, .threads = 1, .seed = 3}));
    for (std::int64_t n = 0; n < 40; ++n) t.step(toy_batch(n, B, T, V), {.lr = 1e-2f, .clip = 1});
    return t.model();
  }();
  return trained;
}

TrainPlan student_plan(const Model& student, const DistillLoss& loss, TrainPlanOptions o = {}) {
  o.batch = B, o.seq = T, o.seed = 5, o.objective = distillation(loss);
  if (o.threads == 0) o.threads = 1;
  return {student, o};
}

TEST(Student, BeginsAsLayersOfTheTeacherSpreadEvenly) {
  const Model nano = preset("nano", {.vocab_size = 65});
  EXPECT_EQ(student_layers(nano, 4), (std::vector<std::int64_t>{0, 2, 3, 5}));
  EXPECT_EQ(student_layers(nano, 2), (std::vector<std::int64_t>{0, 5}));
  EXPECT_EQ(student_layers(nano, 1), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(student_layers(nano, 6), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));

  const Model student = student_of(teacher(), {.layers = 2});
  EXPECT_EQ(values(student, "transformer.h.1.mlp.c_fc.weight"),
            values(teacher(), "transformer.h.3.mlp.c_fc.weight"));
  EXPECT_EQ(values(student, "transformer.wte.weight"), values(teacher(), "transformer.wte.weight"));
  EXPECT_EQ(student_of(teacher(), {.layers = 4}).weights_hash(), teacher().weights_hash());

  const TemporaryFolder folder;
  teacher().save(folder.path());  // weights in a mapped file
  EXPECT_EQ(student_of(open(folder.path()), {.layers = 2}).weights_hash(), student.weights_hash());
}

TEST(Student, IsRefusedWithWhatThereIs) {
  for (const std::int64_t layers : {-1, 0, 5})
    EXPECT_NE(error_of(ErrorKind::usage, [&] { student_of(teacher(), {.layers = layers}); }).find("1 to 4"),
              std::string::npos);
  error_of(ErrorKind::usage, [&] { student_of(preset("transformer-tiny"), {.layers = 1}); });
}

// By the definition, from the logits.
TEST(Teacher, KnowsTheLikeliestIdsAndTheirMasses) {
  const DistillLoss loss{.temperature = 2, .top_k = 5};
  Teacher knows(teacher(), {.batch = B, .seq = T, .loss = loss, .threads = 1});
  const Batch batch = toy_batch(7, B, T, V);
  const SoftLabels soft = knows.soft_labels(batch.samples());
  ASSERT_EQ(soft.ids.size(), static_cast<std::size_t>(B * T * 5));
  ASSERT_EQ(soft.masses.size(), static_cast<std::size_t>(B * T * 6));
  const std::vector<float> logits = logits_of(teacher(), batch, 1, best_isa());
  for (std::size_t r = 0; r < static_cast<std::size_t>(B * T); ++r) {
    const float* row = logits.data() + r * static_cast<std::size_t>(V);
    std::vector<std::int32_t> order(static_cast<std::size_t>(V));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return row[a] > row[b]; });
    double sum = 0, all = 0;
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp(static_cast<double>(row[v]) / 2);
    std::sort(order.begin(), order.begin() + 5);
    for (std::size_t i = 0; i < 5; ++i) {
      ASSERT_EQ(soft.ids[r * 5 + i], order[i]);
      ASSERT_NEAR(static_cast<double>(soft.masses[r * 6 + i]),
                  std::exp(static_cast<double>(row[order[i]]) / 2) / sum, 1e-3);
    }
    for (std::size_t i = 0; i < 6; ++i) all += static_cast<double>(soft.masses[r * 6 + i]);
    ASSERT_NEAR(all, 1, 1e-3);
  }
}

// What it makes of a sample depends on that sample alone.
// Of fewer ids it is as a model that has no others.
TEST(Teacher, SaysNothingOfIdsThatAStudentHasNot) {
  constexpr std::int64_t ids = V - 3;
  const DistillLoss loss{.temperature = 1, .top_k = V};
  const TeacherOptions all{.batch = B, .seq = T, .loss = loss, .threads = 1};
  TeacherOptions some = all;
  some.ids = ids;
  const Batch batch = toy_batch(3, B, T, V);
  const SoftLabels wide = Teacher(teacher(), all).soft_labels(batch.samples()),
                   narrow = Teacher(teacher(), some).soft_labels(batch.samples());
  ASSERT_EQ(std::ssize(narrow.ids), B * T * ids);
  for (std::int64_t r = 0; r < B * T; ++r) {
    float sum = 0;  // all ids are known, in order
    for (std::int64_t v = 0; v < ids; ++v) sum += wide.masses[static_cast<std::size_t>(r * (V + 1) + v)];
    for (std::int64_t v = 0; v < ids; ++v) {
      EXPECT_EQ(narrow.ids[static_cast<std::size_t>(r * ids + v)], v);
      const float share = wide.masses[static_cast<std::size_t>(r * (V + 1) + v)] / sum;
      EXPECT_NEAR(narrow.masses[static_cast<std::size_t>(r * (ids + 1) + v)], share, 2e-3f * share + 1e-6f);
    }
  }
}

TEST(Teacher, HasTheSameBitsInAnyCompany) {
  const Batch batch = toy_batch(7, B, T, V);
  Teacher whole(teacher(), {.batch = B, .seq = T, .threads = 1});
  Teacher single(teacher(), {.batch = 1, .seq = T, .threads = 3});
  const SoftLabels a = whole.soft_labels(batch.samples()), b = single.soft_labels(batch.samples());
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.masses, b.masses);
}

// A student that is the teacher has nothing to learn from it.
TEST(Distillation, HasNoGradientWhereTheStudentIsTheTeacher) {
  const DistillLoss loss{.temperature = 2, .alpha = 1, .top_k = V};
  Trainer t(student_plan(teacher(), loss));
  Teacher knows(teacher(), {.batch = B, .seq = T, .loss = loss, .threads = 1});
  const Batch batch = toy_batch(9, B, T, V);
  const SoftLabels soft = knows.soft_labels(batch.samples());
  const StepResult same = t.step(soft.beside(batch.samples()), {.lr = 0});
  EXPECT_NEAR(same.loss, 0, 1e-5);  // f16 keeps 1e-3 of a mass, its square counts
  EXPECT_LT(same.grad_norm, 2e-3);
  const Model other = TinyGpt2{.layers = 4, .dropout = 0}.model();
  Trainer fresh(student_plan(other, loss));
  EXPECT_GT(fresh.step(soft.beside(batch.samples()), {.lr = 0}).grad_norm, 0.05);
}

TEST(Distillation, EvaluatesByThePlainLoss) {
  const Model student = student_of(teacher(), {.layers = 2});
  Trainer t(student_plan(student, {}));
  Trainer plain(TrainPlan(student, {.batch = B, .seq = T, .threads = 1}));
  const Batch batch = toy_batch(9, B, T, V);
  EXPECT_EQ(t.evaluate(batch).loss, plain.evaluate(batch).loss);
}

std::string hash_after_steps(const TrainPlanOptions& options, const DistillLoss& loss) {
  Trainer t(student_plan(student_of(teacher(), {.layers = 2}), loss, options));
  Teacher knows(teacher(),
                {.batch = B, .seq = T, .loss = loss, .precision = options.precision, .threads = 1});
  for (std::int64_t n = 0; n < 4; ++n) {
    const Batch batch = toy_batch(n, B, T, V);
    const SoftLabels soft = knows.soft_labels(batch.samples());
    t.step(soft.beside(batch.samples()), {.lr = 1e-2f, .clip = 1});
  }
  return t.weights_hash();
}

TEST(Distillation, HasTheSameBitsInAnyMicroBatchAndThreads) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
    const DistillLoss loss{.top_k = 8};
    const std::string whole = hash_after_steps({.precision = precision}, loss);
    EXPECT_EQ(hash_after_steps({.micro_batch = 1, .precision = precision, .threads = 3}, loss), whole);
    EXPECT_EQ(hash_after_steps({.micro_batch = 4, .precision = precision}, loss), whole);
    EXPECT_NE(hash_after_steps({.precision = precision}, {.alpha = 0.4f, .top_k = 8}), whole);
  }
}

TEST(Distillation, RefusesNumbersThatAreNone) {
  error_of(ErrorKind::usage, [] { distillation({.temperature = 0}); });
  error_of(ErrorKind::usage, [] { distillation({.alpha = 1.5f}); });
  error_of(ErrorKind::usage, [] { distillation({.top_k = 0}); });
}

using DistillRun = TaughtRun;

TEST_F(DistillRun, LearnsAndGoesOnToTheSameBits) {
  const RunSummary whole = train(run_);
  EXPECT_EQ(whole.steps, 20);
  EXPECT_EQ(train(run_).weights_hash, whole.weights_hash);  // finished: no step
  EXPECT_EQ(open(run_.out).weights_hash(), whole.weights_hash);

  EXPECT_EQ(hash_after_a_kill(), whole.weights_hash);
  EXPECT_LE(plan_of(run_).peak_bytes() - plan_of(run_).options().teacher_bytes, plan_of(run_).peak_bytes());
  EXPECT_GT(plan_of(run_).options().teacher_bytes, 0);
}

TEST_F(DistillRun, HasTheSameBitsFromAFolderOfSoftLabels) {
  const std::string hash = train(run_).weights_hash;
  std::string said;
  run_.on_message = [&](const std::string& line) { said += line + "\n"; };
  run_.distill->cache = folder_.file("cache");
  run_.out = folder_.file("kept");
  EXPECT_EQ(train(run_).weights_hash, hash);
  EXPECT_NE(said.find("computes the soft labels of 20 steps"), std::string::npos) << said;
  EXPECT_EQ(plan_of(run_).options().teacher_bytes, 0);

  said.clear();
  run_.out = folder_.file("again");
  run_.plan.micro_batch = 1;
  EXPECT_EQ(train(run_).weights_hash, hash);
  EXPECT_EQ(said.find("computes"), std::string::npos) << said;
  run_.out = folder_.file("longer");
  run_.steps = 23;
  train(run_);
  EXPECT_NE(said.find("computes the soft labels of 23 steps"), std::string::npos) << said;
}

TEST_F(DistillRun, RefusesShardsThatAreDamagedOrAnothersOwn) {
  run_.distill->cache = folder_.file("cache");
  run_.steps = 3;
  train(run_);
  run_.out = folder_.file("other");
  run_.distill->loss.temperature = 3;
  EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run_); }).find("another teacher, text or batch"),
            std::string::npos);
  run_.distill->loss.temperature = 2;
  const std::string shard = run_.distill->cache + "/soft-00000000.safetensors.packed";
  std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-3, std::ios::end);
  file.put('x');
  file.close();
  EXPECT_NE(error_of(ErrorKind::input, [&] { train(run_); }).find(shard), std::string::npos);
  std::filesystem::remove(shard);
  EXPECT_EQ(train(run_).steps, 3);  // it is made again
}

// The same weights under another config are another teacher.
TEST_F(DistillRun, RefusesSoftLabelsOfAnotherConfig) {
  run_.distill->layers = 0;  // a student of its own config
  run_.model = folder_.write(
      "config.json", R"({"model_type": "gpt2", "n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 16})");
  run_.distill->cache = folder_.file("cache");
  run_.steps = 3;
  train(run_);
  const std::string config = run_.distill->teacher + "/config.json";
  nlohmann::json changed = nlohmann::json::parse(read_whole(config));
  changed["layer_norm_epsilon"] = 0.1;
  folder_.write("teacher/config.json", changed.dump());
  const auto refusal = [&] { return error_of(ErrorKind::usage, [&] { train(run_); }); };
  EXPECT_NE(refusal().find("another teacher, text or batch"), std::string::npos);
  run_.distill->cache.clear();  // nor does a run go on with it
  EXPECT_NE(refusal().find("teacher: its weights or its config differ"), std::string::npos);
}

TEST_F(DistillRun, SaysWhichLayersTheStudentHas) {
  std::string said;
  run_.on_message = [&](const std::string& line) { said += line + "\n"; };
  run_.steps = 1;
  train(run_);
  EXPECT_NE(said.find("begin as the teacher's 0"), std::string::npos) << said;
}

TEST_F(DistillRun, RefusesATeacherOfAnotherVocabulary) {
  run_.tokenizer = "byte";
  EXPECT_NE(error_of(ErrorKind::input, [&] { train(run_); }).find("another vocabulary"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(run_.out + "/model.safetensors"));
  run_.distill->layers = 0;  // a fresh student, by the preset
  EXPECT_NE(error_of(ErrorKind::input, [&] { train(run_); }).find("another vocabulary"), std::string::npos);
}

// The same tokenizer behind tables of other lengths: a student that is padded further, then one below it.
TEST_F(DistillRun, TablesMayBePaddedOtherwise) {
  const std::int64_t own = open(run_.distill->teacher).vocab_size();
  const auto config = [&](const char* file, std::int64_t vocab_size) {
    return folder_.write(file, R"({"model_type": "gpt2", "n_layer": 1, "n_head": 2, "n_embd": 16, )"
                               R"("n_positions": 16, "vocab_size": )" +
                                   std::to_string(vocab_size) + "}");
  };
  run_.distill->layers = 0;
  run_.distill->loss.top_k = own + 20;
  run_.model = config("padded.json", own + 9);
  run_.steps = 3;
  train(run_);
  const Model padded = open(run_.out);
  EXPECT_EQ(padded.vocab_size(), own + 9);
  run_.distill->teacher = run_.out;
  run_.model = config("plain.json", own);
  for (const char* cache : {"", "soft"}) {
    run_.out = folder_.file(std::string("below") + cache);
    run_.distill->cache = *cache ? folder_.file(cache) : "";
    train(run_);
  }
  EXPECT_EQ(open(folder_.file("below")).vocab_size(), own);
  EXPECT_EQ(open(folder_.file("below")).weights_hash(), open(folder_.file("belowsoft")).weights_hash());
  const Text text(run_.data, {.tokenizer = run_.out});
  EXPECT_GT(compare(padded, open(run_.out), text, {.seq = 16, .max_tokens = 200}).kl, 0);
}

TEST_F(DistillRun, DoesNotGoOnAsAnotherOne) {
  run_.steps = 2;
  train(run_);
  const auto refused = [&](const std::string& words) {
    EXPECT_NE(error_of(ErrorKind::usage, [&] { train(run_); }).find(words), std::string::npos) << words;
  };
  run_.distill->loss.temperature = 3;
  refused("--temperature");
  run_.distill->loss.temperature = 2;
  run_.distill->loss.top_k = 3;
  refused("--top-k");
  run_.distill->loss.top_k = 32;
  run_.label_smoothing = 0.1f;
  refused("label-smoothing");
  run_.label_smoothing.reset();
  run_.out = run_.distill->teacher;
  refused("would be replaced");
}

TEST_F(DistillRun, AFreshStudentLearnsToo) {
  run_.distill->layers = 0;
  run_.model = folder_.write(
      "config.json", R"({"model_type": "gpt2", "n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 16})");
  run_.steps = 2;
  EXPECT_EQ(train(run_).steps, 2);
  EXPECT_EQ(open(run_.out).vocab_size(), open(run_.distill->teacher).vocab_size());
}

}  // namespace
}  // namespace hone
