// Folders whose weights are in types of blocks: saved, opened, computed with, taken to GGUF files, refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "difference.hpp"
#include "file/mapped.hpp"
#include "hone/convert.hpp"
#include "hone/eval.hpp"
#include "hone/generate.hpp"
#include "hone/inspect.hpp"
#include "hone/lora.hpp"
#include "model/model_output.hpp"
#include "model/quantized.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

ConvertReport written(const Model& model, const std::string& from, const std::string& to) {
  ModelOutput out(from, to);
  ConvertReport report = write_model(model, from, out);
  out.publish();
  return report;
}

std::vector<float> logits(const Model& model, std::int64_t tokens, Precision precision = Precision::f32) {
  Generator generator(GeneratePlan(model, {.precision = precision}));
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < tokens; ++i)
    ids.push_back(static_cast<std::int32_t>((i * 7 + 3) % model.vocab_size()));
  generator.append(ids);
  const auto found = generator.logits();
  return {found.begin(), found.end()};
}

const std::string head = "lm_head.weight";

class QuantizedFolder : public testing::TestWithParam<DType> {
 protected:
  void expect_said(const Model& dense);
  void expect_learning();
  const TemporaryFolder folder_;
};

TEST_P(QuantizedFolder, ComesBackWithItsBits) {
  for (const Model& dense : small_models()) {
    const std::string saved = folder_.file(dense.weights_hash());
    const Model model = quantized(dense, GetParam());
    model.save(saved);
    const Model read = open(saved);
    EXPECT_EQ(read.weights_hash(), model.weights_hash());
    EXPECT_EQ(kept_weights(read).front().dtype, kept_weights(model).front().dtype);
    EXPECT_NE(read.weights_hash(), dense.weights_hash());
    for (const std::int64_t tokens : {1, 9})
      EXPECT_EQ(logits(read, tokens), logits(model, tokens)) << dense.family();
    read.save(folder_.file("again"));
    for (const char* file : {"/model.safetensors", "/config.json"})
      EXPECT_EQ(read_whole(folder_.file("again") + file), read_whole(saved + file));
  }
}

// Computed from blocks it is as over the same numbers in f32: but for rounding where a prompt is read, and
// for activations of eight bits where a token is.
TEST_P(QuantizedFolder, IsAsTheSameNumbersInF32) {
  for (const Model& dense : small_models()) {
    const std::string saved = folder_.file(dense.weights_hash()), wide = saved + "_wide";
    quantized(dense, GetParam()).save(saved);
    convert(saved, wide, {.type = "f32"});
    const Model low = open(saved), high = open(wide);
    EXPECT_EQ(low.weights_hash(), high.weights_hash());
    EXPECT_LT(difference(logits(low, 9), logits(high, 9)), 0.02) << dense.family();
    EXPECT_LT(difference(logits(low, 9, Precision::bf16), logits(high, 9)), 0.06) << dense.family();
    const Batch batch = toy_batch(1, 2, 16, low.vocab_size());
    EXPECT_NEAR(Trainer(TrainPlan(low, {.batch = 2, .seq = 16})).evaluate(batch).loss,
                Trainer(TrainPlan(high, {.batch = 2, .seq = 16})).evaluate(batch).loss, 1e-4);
  }
}

TEST_P(QuantizedFolder, IsMappedAndSaysWhatItHas) {
  for (const Model& dense : {odd_llama(), small_llama()}) expect_said(dense);
}

// Each in its own layout, at the width that the model has.
void QuantizedFolder::expect_said(const Model& dense) {
  const TemporaryFolder folder;
  quantized(dense, GetParam()).save(folder.file("m"));
  const Model model = open(folder.file("m"));
  std::int64_t in_blocks = 0;
  for (const StoredTensor& t : stored_tensors(folder.file("m"))) {
    if (t.shape.size() < 2) continue;
    EXPECT_EQ(t.dtype, name(GetParam())) << t.name;
    EXPECT_EQ(t.shape, dense.impl().find(t.name)->shape.sizes()) << t.name;
    EXPECT_EQ(t.bytes, t.shape[0] * row_bytes(GetParam(), t.shape[1])) << t.name;
    in_blocks += t.bytes;
  }
  const Model adapted = with_lora(model, {.rank = 4, .base = folder.file("m")});
  EXPECT_GE(TrainPlan(adapted, {.batch = 2, .seq = 16}).forecast().mapped_bytes, in_blocks);
  const Forecast generating = GeneratePlan(model).forecast();  // its table alone; products have panels
  EXPECT_GE(generating.mapped_bytes, 96 * row_bytes(GetParam(), dense.impl().specs[0].shape.last()));
  EXPECT_LT(generating.mapped_bytes, in_blocks + (1 << 20));
}

TEST_P(QuantizedFolder, AnAdapterLearnsOverIt) {
  quantized(small_gpt2(), GetParam()).save(folder_.file("base"));
  expect_learning();
}
TEST_P(QuantizedFolder, AnAdapterLearnsOverOddWidths) {
  quantized(odd_llama(), GetParam()).save(folder_.file("base"));
  expect_learning();
}

void QuantizedFolder::expect_learning() {
  const Model model = with_lora(open(folder_.file("base")), {.rank = 4, .base = folder_.file("base")});
  Trainer whole(TrainPlan(model, {.batch = 4, .micro_batch = 4, .seq = 16})),
      parts(TrainPlan(model, {.batch = 4, .micro_batch = 1, .seq = 16, .threads = 2}));
  const Batch unseen = toy_batch(77, 4, 16, model.vocab_size());
  const double before = whole.evaluate(unseen).loss;
  for (int n = 0; n < 12; ++n)
    for (Trainer* t : {&whole, &parts})
      t->step(toy_batch(n, 4, 16, model.vocab_size()), {.lr = 1e-2f, .clip = 1});
  EXPECT_LT(whole.evaluate(unseen).loss, before);
  EXPECT_EQ(whole.weights_hash(), parts.weights_hash());
  whole.save(folder_.file("adapter"));
  EXPECT_EQ(open(folder_.file("adapter")).weights_hash(), whole.weights_hash());
  merge(open(folder_.file("adapter")), folder_.file("merged"), Precision::f32);
  EXPECT_NEAR(Trainer(TrainPlan(open(folder_.file("merged")), {.batch = 4, .seq = 16})).evaluate(unseen).loss,
              whole.evaluate(unseen).loss, 1e-4);
}

// Trained whole it is a dense model again.
TEST_P(QuantizedFolder, TrainedItIsDense) {
  quantized(small_llama(), GetParam()).save(folder_.file("m"));
  const Model model = open(folder_.file("m"));
  Trainer t(TrainPlan(model, {.batch = 2, .seq = 16}));
  EXPECT_EQ(t.weights_hash(), model.weights_hash());
  t.step(toy_batch(0, 2, 16, model.vocab_size()), {.lr = 1e-3f});
  t.save(folder_.file("trained"));
  EXPECT_FALSE(has_blocks(open(folder_.file("trained"))));
  EXPECT_EQ(open(folder_.file("trained")).weights_hash(), t.weights_hash());
}

TEST_P(QuantizedFolder, KeepsItsCodesInAGgufFile) {
  const DType dtype = GetParam();
  quantized(small_llama(), dtype).save(folder_.file("m"));
  const std::string gguf = folder_.file("m.gguf");
  const int bits = static_cast<int>(row_bytes(dtype, 128) / 16);
  if (bits < 4) {
    EXPECT_NE(error_of(ErrorKind::usage, [&] { written(open(folder_.file("m")), folder_.file("m"), gguf); })
                  .find("name a folder"),
              std::string::npos);
    EXPECT_FALSE(is_file(gguf));
    return;
  }
  written(open(folder_.file("m")), folder_.file("m"), gguf);
  EXPECT_EQ(open(gguf).weights_hash(), open(folder_.file("m")).weights_hash());
  for (const StoredTensor& t : stored_tensors(gguf))
    if (t.shape.size() == 2) {
      EXPECT_EQ(t.dtype, bits == 8 ? "Q8_0" : dtype == DType::q4_0 ? "Q4_0" : "Q4_1") << t.name;
    }
}

// GGUF's rows are whole groups of 32: other weights become F16, which is said.
TEST(OddQuantizedFolder, IsDenseInAGgufFile) {
  const TemporaryFolder folder;
  for (const DType dtype : {DType::q4_g64, DType::q8_g128}) {
    const std::string from = folder.file(std::string(name(dtype))), to = from + ".gguf";
    quantized(odd_llama(), dtype).save(from);
    const ConvertReport report = written(open(from), from, to);
    ASSERT_FALSE(report.notes.empty());
    EXPECT_NE(report.notes.back().find("rows of 180 are no multiple of 32"), std::string::npos);
    for (const StoredTensor& t : stored_tensors(to))
      EXPECT_EQ(t.dtype, t.shape.size() < 2 ? "F32" : "F16") << t.name;
    EXPECT_LT(difference(logits(open(to), 9), logits(open(from), 9)), 0.02);
  }
}
// A group that is wider than GGUF's, of rows that GGUF's divide: the codes stay what they are.
TEST(OddQuantizedFolder, KeepsItsCodesWhereGgufsGroupsFit) {
  const TemporaryFolder folder;
  quantized(llama_of(96, 224, 4, 96), DType::q4_g128).save(folder.file("m"));
  written(open(folder.file("m")), folder.file("m"), folder.file("m.gguf"));
  EXPECT_EQ(open(folder.file("m.gguf")).weights_hash(), open(folder.file("m")).weights_hash());
}

INSTANTIATE_TEST_SUITE_P(Each, QuantizedFolder,
                         testing::Values(DType::q2_g32, DType::q2_g128, DType::q3_g64, DType::q4_g64,
                                         DType::q4_g128, DType::q8_g64, DType::q8_g128, DType::q4_0,
                                         DType::q4_1, DType::q8_0),
                         [](const auto& each) { return std::string(name(each.param)); });

class BadQuantizedFolder : public testing::Test {
 protected:
  BadQuantizedFolder() {
    quantized(small_llama(), DType::q4_g64).save(folder_.file("m"));
    config_ = nlohmann::json::parse(read_whole(folder_.file("m/config.json")));
  }
  std::string refused() {
    folder_.write("m/config.json", config_.dump());
    return error_of(ErrorKind::input, [&] { open(folder_.file("m")); });
  }
  nlohmann::json& types() { return config_["quantization_config"]["weights"]; }

  const TemporaryFolder folder_;
  nlohmann::json config_;
};

TEST_F(BadQuantizedFolder, ATypeThatThereIsNot) {
  types()[head] = "q4_b64";
  const std::string message = refused();
  EXPECT_NE(message.find("the nearest is q4_g64"), std::string::npos) << message;
  EXPECT_NE(message.find(head), std::string::npos) << message;
}
TEST_F(BadQuantizedFolder, AnotherTypeThanTheBytes) {
  types()[head] = "q4_g128";
  EXPECT_NE(refused().find("U8[96,68], q4_g128 of [96,128]"), std::string::npos);
}
TEST_F(BadQuantizedFolder, AWeightThatTheModelHasNot) {
  types()["lm_tail.weight"] = "q4_g64";
  EXPECT_NE(refused().find("lm_tail.weight"), std::string::npos);
}
TEST_F(BadQuantizedFolder, AWeightWithoutItsType) {
  types().erase(head);
  EXPECT_NE(refused().find("[96,72]"), std::string::npos);
}
TEST_F(BadQuantizedFolder, WeightsThatAreNoObject) {
  types() = 4;
  EXPECT_NE(refused().find("\"weights\""), std::string::npos);
}
TEST_F(BadQuantizedFolder, AnotherToolsMethod) {
  config_["quantization_config"]["quant_method"] = "gptq";
  EXPECT_NE(refused().find("quantization_config"), std::string::npos);
}
TEST_F(BadQuantizedFolder, RowsOfAnotherWidth) {
  types()[head] = "q4_g64:128";
  folder_.write("m/config.json", config_.dump());
  EXPECT_NO_THROW(open(folder_.file("m")));
  types()[head] = "q4_g64:127";
  EXPECT_NE(refused().find("rows of 127"), std::string::npos) << refused();
  for (const char* type : {"q4_g64:", "q4_g64:0", "q4_g64:-1", "q4_g64:12x", "bitmap/q8_g64:128"}) {
    types()[head] = type;
    EXPECT_NE(refused().find("the nearest is"), std::string::npos) << type;
  }
}
TEST_F(BadQuantizedFolder, OddRowsCutShort) {
  quantized(odd_llama(), DType::q4_g64).save(folder_.file("odd"));
  const std::string file = folder_.file("odd/model.safetensors"), whole = read_whole(file);
  for (const std::size_t less : {1, 100})
    EXPECT_NE(error_of(ErrorKind::input,
                       [&] {
                         folder_.write("odd/model.safetensors", whole.substr(0, whole.size() - less));
                         open(folder_.file("odd"));
                       })
                  .find("cut short"),
              std::string::npos);
}
TEST_F(BadQuantizedFolder, AFileCutShort) {
  const std::string whole = read_whole(folder_.file("m/model.safetensors"));
  folder_.write("m/model.safetensors", whole.substr(0, whole.size() - 100));
  EXPECT_NE(refused().find("cut short"), std::string::npos);
}

}  // namespace
}  // namespace hone
