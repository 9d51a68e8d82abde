#include "hone/verify.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "machine/isa.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

class Golden : public testing::TestWithParam<Isa> {};

// Numbers of PyTorch 2.15 and Transformers 5.23 in f32; the bounds are in include/hone/verify.hpp.
void agrees(const std::string& model, Isa isa) {
  if (!cpu_has(isa)) GTEST_SKIP();
  const std::string folder = HONE_TEST_DATA "/models/" + model;
  const VerifyReport r = verify(folder, folder + "/golden.safetensors", {.isa = std::string(name(isa))});
  EXPECT_TRUE(r.ok) << "logits " << r.errors.logits << " loss " << r.errors.loss << " gradients "
                    << r.errors.gradients << " losses " << r.errors.losses << "; worst: " << r.worst;
}

TEST_P(Golden, Gpt2AgreesWithTheReferenceRun) { agrees("gpt2", GetParam()); }

// Post-norm with relu, and pre-norm with gelu; both with padded sources.
TEST_P(Golden, TorchTransformerAgreesWithTheReferenceRun) {
  agrees("torch_transformer", GetParam());
  agrees("torch_transformer_pre_norm", GetParam());
}

// Each with its family's traps set (bench/peers/golden.py): scaled rotations, heads that are not width/heads,
// biases, windows, soft limits, heads tied and not.
TEST_P(Golden, DecodersAgreeWithTheReferenceRun) {
  for (const char* model : {"llama", "llama_tied", "llama_yarn", "llama_longrope", "qwen2", "qwen3",
                            "gemma3_text", "mistral", "olmo2"}) {
    SCOPED_TRACE(model);
    agrees(model, GetParam());
  }
}

TEST(Verify, LowerPrecisionsAreWithinBoundsThatFullOnesAreFarBelow) {
  for (const Precision precision : {Precision::bf16, Precision::fp16})
    for (const char* model : {"gpt2", "torch_transformer", "torch_transformer_pre_norm", "llama",
                              "llama_yarn", "qwen2", "qwen3", "gemma3_text", "mistral", "olmo2"}) {
      SCOPED_TRACE(model);
      const std::string folder = HONE_TEST_DATA "/models/" + std::string(model);
      const VerifyReport r = verify(folder, folder + "/golden.safetensors", {.precision = precision});
      EXPECT_TRUE(r.ok) << r.worst;
      EXPECT_GT(r.errors.logits, verify_bounds(Precision::f32).logits);  // it was that precision
    }
}

// The numbers are of a model that drops nothing, whatever its config drops in training.
TEST(Verify, DropsNothing) {
  const TemporaryFolder folder;
  const std::string model = folder.file("model");
  std::filesystem::copy(HONE_TEST_DATA "/models/llama", model);
  auto config = nlohmann::json::parse(read_whole(model + "/config.json"));
  config["attention_dropout"] = 0.5;
  std::ofstream(model + "/config.json") << config.dump();
  EXPECT_TRUE(verify(model, model + "/golden.safetensors").ok);
}

INSTANTIATE_TEST_SUITE_P(Isa, Golden, testing::ValuesIn(all_isas),
                         [](const auto& each) { return std::string(name(each.param)); });

}  // namespace
}  // namespace hone
