// What a config says and a GGUF file can say: there and back, or refused; keys of files that others wrote.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "gguf_files.hpp"
#include "hone/convert.hpp"
#include "model/model_impl.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

// One of the folders with numbers of reference, whose config says something else.
std::string with_config(const TemporaryFolder& folder, const std::string& name, const Json& changes) {
  std::string to = folder.file("model");
  std::filesystem::remove_all(to);
  std::filesystem::copy(golden(name), to);
  Json config = Json::parse(read_whole(to + "/config.json"));
  for (const auto& item : changes.items())
    if (item.value().is_object() && config.value(item.key(), Json()).is_object())
      config[item.key()].update(item.value());
    else
      config[item.key()] = item.value();
  std::ofstream(to + "/config.json") << config.dump();
  return to;
}

Json rope(const Json& changes) { return {{"rope_parameters", changes}}; }

void expect_same_numbers(const TemporaryFolder& folder, const std::string& name, const Json& changes) {
  const std::string from = with_config(folder, name, changes), file = folder.file("m.gguf");
  convert_anew(from, file, {.type = "f32"});
  EXPECT_LT(difference(logits(open(file), {}, 60), logits(open(from), {}, 60)), 3e-6) << changes;
  EXPECT_TRUE(open(file).notes().empty()) << open(file).notes().front();
}

std::string refused(const TemporaryFolder& folder, const std::string& name, const Json& changes) {
  const std::string from = with_config(folder, name, changes), file = folder.file("refused.gguf");
  std::string message = error_of(ErrorKind::input, [&] { convert(from, file, {.type = "f32"}); });
  EXPECT_FALSE(is_file(file)) << changes;
  std::filesystem::remove(file);
  return message;
}

void expect_in(const std::string& part, const std::string& text) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(GgufMetadata, WhatIsSaidOfTheRotationIsWritten) {
  const TemporaryFolder folder;
  for (const Json& changes :
       {rope(Json::object()), rope({{"attention_factor", 1.0}}), rope({{"attention_factor", 1.7}}),
        rope({{"mscale", 1.0}, {"mscale_all_dim", 1.0}}), rope({{"mscale", 0.7}, {"mscale_all_dim", 0.3}}),
        rope({{"mscale", 0.7}}), rope({{"factor", nullptr}}), rope({{"beta_fast", 32}, {"truncate", true}}),
        rope({{"original_max_position_embeddings", nullptr}}),
        Json{{"rope_parameters", nullptr},
             {"rope_theta", 500.0},
             {"rope_scaling", {{"type", "yarn"}, {"factor", 3.0}}},
             {"original_max_position_embeddings", 16}},
        rope({{"rope_type", "linear"}, {"factor", 2.5}}), rope({{"rope_type", "default"}}),
        rope({{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}}),
        rope({{"rope_type", "longrope"},
              {"attention_factor", 1.0},
              {"short_factor", {1.0, 1.5, 2.0, 4.0}},
              {"long_factor", {1.0, 1.5, 2.0, 4.0}}})})
    expect_same_numbers(folder, "llama_yarn", changes);
}

TEST(GgufMetadata, WhatNoKeySaysOfTheRotationIsRefused) {
  const TemporaryFolder folder;
  // Of numbers that move the bounds to other pairs; what is cut to the same ones says the same.
  for (const Json& changes :
       {rope({{"beta_slow", 0.1}}), rope({{"truncate", false}, {"original_max_position_embeddings", 48}})})
    expect_in("beta_fast 32, beta_slow 1 and truncate true", refused(folder, "llama_yarn", changes));
  expect_in("rope_type", refused(folder, "llama_yarn", rope({{"rope_type", "dynamic"}, {"factor", 2.0}})));
  const Json scaled{{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 1e4}};
  expect_in("sliding_attention.rope_type",
            refused(folder, "gemma3_text", {{"rope_parameters", {{"sliding_attention", scaled}}}}));
  const Json yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"rope_theta", 1e6}, {"attention_factor", 1.0}};
  expect_in("attention_factor",
            refused(folder, "gemma3_text", {{"rope_parameters", {{"full_attention", yarn}}}}));
}

// llama.cpp's functions are its families' own, whatever a file says.
TEST(GgufMetadata, WhatLlamaCppDoesNotComputeIsRefused) {
  const TemporaryFolder folder;
  for (const char* other : {"gelu", "relu", "gelu_pytorch_tanh"})
    expect_in("hidden_act", refused(folder, "llama", {{"hidden_act", other}}));
  expect_in("hidden_activation", refused(folder, "gemma3_text", {{"hidden_activation", "silu"}}));
  expect_in("query_pre_attn_scalar", refused(folder, "gemma3_text", {{"query_pre_attn_scalar", 100}}));
  expect_same_numbers(folder, "llama", {{"hidden_act", "swish"}});
  for (const auto& [family, config] :
       {std::pair{"qwen3", R"("num_key_value_heads": 2, "head_dim": 8, "attention_bias": true)"},
        {"gemma3_text",
         R"("num_key_value_heads": 2, "head_dim": 8, "query_pre_attn_scalar": 8, "attention_bias": true)"},
        {"mistral", R"("num_key_value_heads": 2, "sliding_window": 8)"}}) {
    const std::string path = folder.write(
        "config.json",
        std::string(R"({"model_type": ")") + family +
            R"(", "vocab_size": 32, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
           "num_attention_heads": 4, "max_position_embeddings": 32, )" +
            config + "}");
    const std::string from = folder.file(family), file = folder.file("refused.gguf");
    from_config(path).save(from);
    expect_in(std::string(family) == "mistral" ? "sliding_window" : "attention_bias",
              error_of(ErrorKind::input, [&] { convert(from, file); }));
    EXPECT_FALSE(is_file(file));
  }
}

// What a config leaves out is what its family has, not what its sizes give.
TEST(GgufMetadata, HabitsOfFamiliesAreWritten) {
  const TemporaryFolder folder;
  const std::string path = folder.write("config.json", R"({"model_type": "qwen3", "vocab_size": 32,
    "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4})");
  from_config(path).save(folder.file("model"));
  convert(folder.file("model"), folder.file("m.gguf"), {.type = "f32"});
  const GgufFile file(folder.file("m.gguf"));
  EXPECT_EQ(file.integer("qwen3.attention.key_length"), 128);
  EXPECT_EQ(file.integer("qwen3.context_length"), 32768);
  EXPECT_LT(difference(logits(open(folder.file("m.gguf")), {.context = 64}),
                       logits(open(folder.file("model")), {.context = 64})),
            2e-6);
}

TEST(GgufMetadata, MistralWithoutAWindowIsLlama) {
  const TemporaryFolder folder;
  const std::string from = with_config(folder, "mistral", {{"sliding_window", nullptr}});
  convert(from, folder.file("m.gguf"), {.type = "f32"});
  const Model read = open(folder.file("m.gguf"));
  EXPECT_EQ(read.family(), "llama");
  EXPECT_LT(difference(logits(read, {}, 40), logits(open(from), {}, 40)), 2e-6);
}

class ForeignKeys : public testing::Test {
 protected:
  std::string with(const char* model, const std::string& key, auto value) {
    const std::string file = folder_.file(std::string(model) + ".gguf");
    if (!is_file(file)) convert(golden(model), file, {.type = "f32"});
    return with_key(folder_, file, key, value);
  }
  std::vector<float> logits_of(const std::string& file) { return logits(open(file), {}, 60); }
  std::string refused(const char* model, const std::string& key, auto value) {
    const std::string file = with(model, key, value);
    return error_of(ErrorKind::input, [&] { open(file); });
  }
  const TemporaryFolder folder_;
};

TEST_F(ForeignKeys, OfTheRotationAreRead) {
  const auto yarn = [&](const Json& changes) {
    return logits(open(with_config(folder_, "llama_yarn", rope(changes))), {}, 60);
  };
  const double usual = 0.1 * std::log(4.0) + 1;
  EXPECT_LT(difference(logits_of(with("llama_yarn", "llama.rope.scaling.attn_factor", 1.5f)),
                       yarn({{"attention_factor", 1.5 * usual}})),
            1e-5);
  EXPECT_LT(difference(logits_of(with("llama_yarn", "llama.rope.scaling.type", "none")),
                       yarn({{"rope_type", "default"}})),
            1e-5);
  EXPECT_LT(difference(logits_of(with("qwen2", "qwen2.rope.scale_linear", 2.0f)),
                       logits_of(with("qwen2", "qwen2.rope.scaling.factor", 2.0f))),
            1e-9);
  EXPECT_GT(difference(logits_of(with("qwen2", "qwen2.rope.scale_linear", 2.0f)),
                       logits(open(golden("qwen2")), {}, 60)),
            1e-3);
}

TEST_F(ForeignKeys, ThatChangeNumbersAreRefused) {
  expect_in("attention.causal", refused("qwen2", "qwen2.attention.causal", false));
  expect_in("attn_factor", refused("qwen2", "qwen2.rope.scaling.attn_factor", 1.5f));
  expect_in("longrope", refused("qwen2", "qwen2.rope.scaling.type", "longrope"));
  expect_in("key_length_swa", refused("gemma3_text", "gemma3.attention.key_length_swa", std::uint32_t{2}));
  expect_in("layers that differ",
            refused("qwen2", "qwen2.feed_forward_length", std::vector<std::int32_t>{8, 16}));
}

TEST_F(ForeignKeys, WithoutEffectAreNoted) {
  const Model noted = open(with("qwen2", "qwen2.rope.scaling.yarn_beta_fast", 8.0f));
  ASSERT_EQ(noted.notes().size(), 1u);
  expect_in("qwen2.rope.scaling.yarn_beta_fast", noted.notes()[0]);
  EXPECT_EQ(logits(noted), logits(open(golden("qwen2"))));
  EXPECT_TRUE(open(with("qwen2", "qwen2.attention.causal", true)).notes().empty());
  EXPECT_TRUE(open(with("qwen2", "general.author", "somebody")).notes().empty());
}

TEST_F(ForeignKeys, ListsOfEqualNumbersAreOneNumber) {
  const Model model = open(golden("qwen2"));
  const auto config = Json::parse(model.config_json());
  const auto kv = config.at("num_key_value_heads").get<std::int32_t>();
  const std::vector<std::int32_t> each(config.at("num_hidden_layers").get<std::size_t>(), kv);
  EXPECT_EQ(logits(open(with("qwen2", "qwen2.attention.head_count_kv", each))), logits(model));
}

}  // namespace
}  // namespace hone
