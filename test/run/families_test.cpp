// Every family of decoders: training, evaluation and generation through the cache say the same of a text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "../temporary_folder.hpp"
#include "base/random.hpp"
#include "file/safetensors.hpp"
#include "hone/generate.hpp"
#include "hone/train.hpp"
#include "machine/isa.hpp"
#include "run/logits.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

Ids some_ids(std::int64_t count, std::int64_t vocab_size) {
  Stream stream(stream_key("families", 0));
  Ids ids;
  while (std::ssize(ids) < count)
    ids.push_back(static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(vocab_size))));
  return ids;
}

// Log-probabilities [T,V] of logits [T,V].
std::vector<double> log_probabilities(std::span<const float> logits, std::int64_t vocab_size) {
  std::vector<double> all;
  const auto V = static_cast<std::size_t>(vocab_size);
  for (std::size_t row = 0; row < logits.size(); row += V) {
    double sum = 0;
    for (const float x : logits.subspan(row, V)) sum += std::exp(static_cast<double>(x));
    for (const float x : logits.subspan(row, V)) all.push_back(static_cast<double>(x) - std::log(sum));
  }
  return all;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// The three ways in which hone computes a text's log-probabilities.
struct Ways {
  const Model& model;
  Precision precision;
  const Ids& ids;

  std::int64_t V() const { return model.vocab_size(); }
  std::int64_t T() const { return std::ssize(ids); }

  std::vector<double> by_training() const {
    Trainer trainer(
        TrainPlan(model, {.batch = 1, .seq = T(), .precision = precision, .threads = 1, .keep = {"logits"}}));
    Ids labels(ids.begin() + 1, ids.end());
    labels.push_back(-100);
    trainer.step(BatchView{1, T(), ids, labels}, {.lr = 0});
    std::vector<float> logits(static_cast<std::size_t>(T() * V()));
    trainer.read_activation("logits", logits);
    return log_probabilities(logits, V());
  }
  std::vector<double> by_evaluation() const {
    const Batch batch{1, T(), ids, Ids(ids.size(), -100)};
    return log_probabilities(
        logits_of(model, batch.samples(), {.seq = T(), .precision = precision, .threads = 1}), V());
  }
  // Token by token, or the prompt by chunks: the last rows then.
  std::vector<double> by_generation(std::size_t prompt) const {
    Generator generator(GeneratePlan(model, {.context = T(), .precision = precision, .threads = 1}));
    std::vector<double> all;
    for (std::size_t at = 0; at < ids.size();) {
      const std::size_t count = at == 0 ? prompt : 1;
      generator.append(std::span(ids).subspan(at, count));
      at += count;
      const auto row = log_probabilities(generator.logits(), V());
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  }
};

class Family : public testing::TestWithParam<std::string> {
 protected:
  Model model() const { return open(HONE_TEST_DATA "/models/" + GetParam()); }
  // Fits windows of 5 to 7 keys, and the contexts of 16 positions that some rotations stretch.
  Ids ids() const { return some_ids(40, model().vocab_size()); }
};

// f32: sums of other shapes, a few units of 2^-24 of logits of some 10. bf16: whole programs in 8 bits, where
// a product of the training is rounded as the same one of a chunk is.
TEST_P(Family, TrainingEvaluationAndGenerationAgree) {
  const Model m = model();
  const Ids text = ids();
  for (const auto& [precision, bound] : {std::pair{Precision::f32, 2e-5}, std::pair{Precision::bf16, 0.15}}) {
    const Ways ways{m, precision, text};
    const auto training = ways.by_training(), evaluation = ways.by_evaluation(),
               tokens = ways.by_generation(1);
    const std::string name = precision == Precision::f32 ? "f32" : "bf16";
    const double trained = largest_difference(training, evaluation),
                 generated = largest_difference(evaluation, tokens);
    RecordProperty(name + "_training_evaluation", std::to_string(trained));
    RecordProperty(name + "_evaluation_generation", std::to_string(generated));
    std::printf("%s %s: training - evaluation %.2g, evaluation - generation %.2g nats\n", GetParam().c_str(),
                name.c_str(), trained, generated);
    EXPECT_EQ(trained, 0) << name;
    EXPECT_LT(generated, bound) << name;
    const auto chunks = ways.by_generation(33);
    const std::vector<double> rest(evaluation.end() - std::ssize(chunks), evaluation.end());
    const double prompted = largest_difference(rest, chunks);
    RecordProperty(name + "_evaluation_chunks", std::to_string(prompted));
    std::printf("%s %s: evaluation - a prompt of 33 by chunks, then tokens %.2g nats\n", GetParam().c_str(),
                name.c_str(), prompted);
    EXPECT_LT(prompted, bound) << name;
  }
}

// What pieces of 8 tokens and more leave in the cache has the bits of a training program: products by panels,
// attention by the same kernel. (Behind them a row alone, and the head, go through sums of few rows.)
TEST_P(Family, APromptsPiecesLeaveTheKeysAndValuesOfTraining) {
  const TemporaryFolder folder;
  const Model m = model();
  const Ids text = ids();
  const auto T = std::ssize(text);
  const auto layers = nlohmann::json::parse(m.config_json()).at("num_hidden_layers").get<int>();
  const std::string last = "model.layers." + std::to_string(layers - 1) + ".self_attn.";
  Generator generator(GeneratePlan(m, {.context = T, .precision = Precision::f32, .threads = 1}));
  generator.append(text);
  generator.save_cache(folder.file("cache"));
  const SafetensorsFile file(folder.file("cache"));
  const SafetensorsEntry& values = file.at(last + "attention.cache_v");
  std::vector<float> cached(static_cast<std::size_t>(T * values.shape[1])), trained(cached.size());
  file.read(values, std::as_writable_bytes(std::span(cached)));
  Trainer trainer(TrainPlan(m, {.batch = 1, .seq = T, .threads = 1, .keep = {last + "v_proj"}}));
  trainer.step(BatchView{1, T, text, text}, {.lr = 0});
  trainer.read_activation(last + "v_proj", trained);
  EXPECT_EQ(cached, trained);
}

// bf16 keeps 8 bits, and each of a model's products is rounded to them: logits are off by some hundredths of
// the largest.
TEST_P(Family, Bf16IsNearF32) {
  const Model m = model();
  const Ids text = ids();
  const auto logits = [&](Precision precision) {
    const Batch batch{1, 40, text, Ids(text.size(), -100)};
    return logits_of(m, batch.samples(), {.seq = 40, .precision = precision, .threads = 1});
  };
  const auto wide = logits(Precision::f32), narrow = logits(Precision::bf16), half = logits(Precision::fp16);
  double largest = 0, low = 0, mid = 0;
  for (std::size_t i = 0; i < wide.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(wide[i])));
    low = std::max(low, std::abs(static_cast<double>(wide[i] - narrow[i])));
    mid = std::max(mid, std::abs(static_cast<double>(wide[i] - half[i])));
  }
  std::printf("%s: bf16 %.2g, fp16 %.2g of the largest logit\n", GetParam().c_str(), low / largest,
              mid / largest);
  EXPECT_LT(low, 0.03 * largest);
  EXPECT_LT(mid, 0.004 * largest);
}

TEST_P(Family, WeightsFollowFromNeitherThreadsNorMicroBatchesNorTheInstructionSet) {
  const Model m = model();
  const Ids text = some_ids(4 * 40, m.vocab_size());
  const auto hash = [&](const TrainPlanOptions& options) {
    Trainer trainer{TrainPlan(m, options)};
    for (int n = 0; n < 3; ++n) trainer.step(BatchView{4, 40, text, text}, {.lr = 1e-2f, .clip = 1});
    return trainer.weights_hash();
  };
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const TrainPlanOptions whole{.batch = 4, .seq = 40, .precision = precision, .threads = 1};
    TrainPlanOptions parts = whole;
    parts.micro_batch = 1, parts.threads = 3;
    EXPECT_EQ(hash(parts), hash(whole));
  }
  if (!cpu_has(Isa::avx2)) return;
  const TrainPlanOptions here{.batch = 4, .seq = 40, .threads = 1};
  TrainPlanOptions elsewhere = here;
  elsewhere.isa = "avx2";
  EXPECT_EQ(hash(elsewhere), hash(here));
}

TEST_P(Family, ASavedModelIsTheModel) {
  const TemporaryFolder folder;
  const Model m = model();
  m.save(folder.file("copy"));
  const Model again = open(folder.file("copy"));
  EXPECT_EQ(again.weights_hash(), m.weights_hash());
  EXPECT_EQ(again.config_json(), m.config_json());
  EXPECT_TRUE(again.notes().empty()) << again.notes().front();
}

INSTANTIATE_TEST_SUITE_P(Each, Family,
                         testing::Values("llama", "llama_tied", "llama_yarn", "llama_longrope", "qwen2",
                                         "qwen3", "gemma3_text", "mistral", "olmo2"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace hone
