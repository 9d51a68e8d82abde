// By what results that were kept are known to be a model's: everything that changes numbers, and nothing
// else.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "hone/convert.hpp"
#include "hone/lora.hpp"
#include "model/model_impl.hpp"
#include "model/quantized.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

const Json decoder = Json::parse(R"({"vocab_size": 48, "hidden_size": 32, "intermediate_size": 40,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
  "sliding_window": 8})");

// A model whose weights depend on nothing but their names and shapes.
Model model_of(const char* type, const char* changes = "{}") {
  Json config = decoder;
  config["model_type"] = type;
  config.update(Json::parse(changes));
  return from_json(config, {}, "config.json");
}
std::string of(const char* type, const char* changes = "{}") { return model_of(type, changes).identity(16); }

TEST(Identity, IsAnotherForEachKeyThatChangesNumbers) {
  const auto differs = [](const char* type, const char* changes) {
    EXPECT_EQ(model_of(type, changes).weights_hash(), model_of(type).weights_hash()) << changes;
    EXPECT_NE(of(type, changes), of(type)) << type << ' ' << changes;
  };
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3"}) {
    differs(type, R"({"rope_theta": 20000.0})");
    differs(type, R"({"rms_norm_eps": 1e-3})");
    differs(type, R"({"rope_scaling": {"rope_type": "linear", "factor": 2.0}})");
    differs(type, R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}})");
  }
  differs("llama", R"({"hidden_act": "gelu"})");
  differs("mistral", R"({"sliding_window": 4})");
  differs("gemma3_text", R"({"query_pre_attn_scalar": 100})");
  differs("gemma3_text", R"({"final_logit_softcapping": 30.0})");
  differs("gemma3_text", R"({"rope_local_base_freq": 500.0})");
}

TEST(Identity, IsTheSameForKeysWithoutEffectAndOtherForms) {
  EXPECT_EQ(of("llama", R"({"transformers_version": "5.0", "torch_dtype": "bfloat16"})"), of("llama"));
  EXPECT_EQ(of("llama", R"({"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})"),
            of("llama", R"({"rope_theta": 10000.0})"));
  EXPECT_EQ(model_of("llama").identity(16), model_of("llama").identity(60));
}

TEST(Identity, FollowsTheLengthWhereFrequenciesDo) {
  const Model model = model_of("llama", R"({"rope_scaling": {"rope_type": "longrope",
    "original_max_position_embeddings": 32, "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 3, 4]}})");
  EXPECT_EQ(model.identity(16), model.identity(32));
  EXPECT_NE(model.identity(16), model.identity(33));
}

TEST(Identity, IsOfWeightsAndTheirTypes) {
  Json small = decoder;
  small["model_type"] = "llama";
  EXPECT_NE(from_json(small, {.seed = 9}, "").identity(16), from_json(small, {}, "").identity(16));
  const TemporaryFolder folder;
  const Model coded = quantized(small_llama(), DType::q8_0);
  coded.save(folder.file("coded"));
  convert(folder.file("coded"), folder.file("wide"), {.type = "f32"});
  EXPECT_EQ(open(folder.file("coded")).identity(16), coded.identity(16));
  const Model wide = open(folder.file("wide"));
  EXPECT_EQ(wide.weights_hash(), coded.weights_hash());
  EXPECT_NE(wide.identity(16), coded.identity(16)) << "computed with activations of eight bits";
}

TEST(Identity, OfTwoAdaptersOfOneBaseIsByTheirScaleToo) {
  const Model base = TinyGpt2{.dropout = 0}.model();
  const Model small = with_lora(base, {.rank = 2, .alpha = 4}),
              large = with_lora(base, {.rank = 2, .alpha = 64});
  EXPECT_EQ(small.weights_hash(), large.weights_hash());
  EXPECT_NE(small.identity(16), large.identity(16));
}

}  // namespace
}  // namespace hone
