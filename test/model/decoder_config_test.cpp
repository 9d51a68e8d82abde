// config.json of llama and its kin: old and new forms of keys, and those that change numbers.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "hone/model.hpp"
#include "model/model_impl.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

const Json sizes = Json::parse(R"({"vocab_size": 48, "hidden_size": 32, "intermediate_size": 40,
  "num_hidden_layers": 4, "num_attention_heads": 4, "max_position_embeddings": 32})");

Json config(const char* type, const char* more = "{}") {
  Json all = sizes;
  all["model_type"] = type;
  all.merge_patch(Json::parse(more));  // null removes a key
  return all;
}

Model model_of(const Json& json) { return from_json(json, {}, "config.json"); }

// What the model computes, with every number in it.
std::string program_of(const Json& json) {
  return print(model_of(json).impl().write({.batch = 1, .seq = 8}).program);
}
// The numbers of rotary tables, which a program does not print.
std::vector<float> frequencies_of(const Json& json, std::int64_t seq = 8) {
  const Program p = model_of(json).impl().write({.batch = 1, .seq = seq}).program;
  std::vector<float> all;
  for (const TensorDef& t : p.tensors)
    if (t.role == Role::constant) {
      const auto* values = reinterpret_cast<const float*>(t.values->data());
      all.insert(all.end(), values, values + t.type.shape.elements());
    }
  return all;
}

Json with_null(Json json, const char* key) {
  json[key] = nullptr;
  return json;
}

std::string refused(const Json& json) {
  return error_of(ErrorKind::input, [&] { model_of(json); });
}
void says(const std::string& message, const char* part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(DecoderConfig, OldAndNewFormsOfTheRotationAreOne) {
  for (const char* type : {"llama", "qwen2", "qwen3"}) {
    const auto old_form = config(type, R"({"rope_theta": 500000.0})"),
               new_form =
                   config(type, R"({"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}})");
    EXPECT_EQ(program_of(old_form), program_of(new_form)) << type;
    EXPECT_EQ(frequencies_of(old_form), frequencies_of(new_form)) << type;
    EXPECT_NE(frequencies_of(old_form), frequencies_of(config(type))) << type;
  }
  const auto scaled =
      config("llama", R"({"rope_theta": 1000, "rope_scaling": {"type": "linear", "factor": 2.0}})");
  EXPECT_EQ(frequencies_of(scaled), frequencies_of(config("llama", R"({"rope_parameters":
    {"rope_type": "linear", "factor": 2.0, "rope_theta": 1000}})")));
  const auto plain = frequencies_of(config("llama", R"({"rope_theta": 1000})"));
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(frequencies_of(scaled)[i], plain[i] / 2);
}

TEST(DecoderConfig, GemmasTwoRotationsInBothForms) {
  const auto old_form =
      config("gemma3_text", R"({"head_dim": 8, "rope_theta": 30000.0, "rope_local_base_freq": 100.0,
    "sliding_window": 4, "sliding_window_pattern": 2, "rope_scaling": {"rope_type": "linear", "factor": 8.0}})");
  const auto new_form = config("gemma3_text", R"({"head_dim": 8, "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 30000.0},
                        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}})");
  EXPECT_EQ(program_of(old_form), program_of(new_form));
  EXPECT_EQ(frequencies_of(old_form), frequencies_of(new_form));
  says(refused(config("gemma3_text", R"({"rope_parameters": {"rope_theta": 7.0}})")), "full_attention");
}

TEST(DecoderConfig, NullsAreAbsent) {
  const std::string plain = program_of(config("llama", R"({"num_key_value_heads": 4, "head_dim": 8})"));
  EXPECT_EQ(program_of(config("llama")), plain);
  for (const char* key : {"head_dim", "num_key_value_heads", "rope_scaling", "rope_parameters", "hidden_act"})
    EXPECT_EQ(program_of(with_null(config("llama"), key)), plain) << key;
}

TEST(DecoderConfig, HeadsNeedNotAddUpToTheWidth) {
  const Model model = model_of(config("llama", R"({"head_dim": 10, "num_key_value_heads": 2})"));
  EXPECT_EQ(model.size("model.layers.0.self_attn.q_proj.weight"), 4 * 10 * 32);
  EXPECT_EQ(model.size("model.layers.0.self_attn.k_proj.weight"), 2 * 10 * 32);
  EXPECT_EQ(model.size("model.layers.0.self_attn.o_proj.weight"), 32 * 4 * 10);
  EXPECT_EQ(model_of(config("qwen3")).size("model.layers.0.self_attn.q_norm.weight"), 128);  // its default
}

TEST(DecoderConfig, TiedByItsOwnKeyOrTheFamilysHabit) {
  const auto has_head = [](const Json& json) {
    return model_of(json).impl().find("lm_head.weight") != nullptr;
  };
  EXPECT_TRUE(has_head(config("llama")));
  EXPECT_FALSE(has_head(config("gemma3_text", R"({"head_dim": 8})")));
  EXPECT_FALSE(has_head(config("llama", R"({"tie_word_embeddings": true})")));
  EXPECT_FALSE(has_head(config("llama", R"({"text_config": {"tie_word_embeddings": true}})")));
}

// What config.json leaves open, the files decide.
TEST(DecoderConfig, AHeadThatNobodySpeaksOfAndNoFileHasIsTheTable) {
  const TemporaryFolder folder;
  model_of(config("llama", R"({"tie_word_embeddings": true})")).save(folder.path());
  folder.write("config.json", config("llama").dump());
  const Model model = open(folder.path());
  EXPECT_EQ(model.impl().find("lm_head.weight"), nullptr);
  ASSERT_EQ(model.notes().size(), 1u);
  says(model.notes()[0], "tie_word_embeddings");
  folder.write("config.json", config("llama", R"({"tie_word_embeddings": false})").dump());
  says(error_of(ErrorKind::input, [&] { open(folder.path()); }), "lm_head.weight");
}

TEST(DecoderConfig, WindowsByLayer) {
  const auto windows = [](const Json& json) {
    const std::string program = program_of(json);
    std::string found;
    for (std::size_t at = 0; (at = program.find(" = attention(", at)) != std::string::npos; ++at) {
      const std::string line = program.substr(at, program.find('\n', at) - at);
      found += line.find("window=5") == std::string::npos ? 'f' : 's';
    }
    return found;
  };
  EXPECT_EQ(windows(config("qwen2", R"({"sliding_window": 5, "max_window_layers": 1})")), "ffff");
  EXPECT_EQ(windows(config("qwen2",
                           R"({"sliding_window": 5, "max_window_layers": 1, "use_sliding_window": true})")),
            "fsss");
  EXPECT_EQ(windows(config("qwen2",
                           R"({"sliding_window": 5, "max_window_layers": 0, "use_sliding_window": true})")),
            "ssss");
  EXPECT_EQ(windows(config("qwen3", R"({"sliding_window": 5, "max_window_layers": 0})")), "ffff");
  says(refused(config("qwen2", R"({"max_window_layers": -1})")), "max_window_layers");
  EXPECT_EQ(windows(config("qwen3", R"({"sliding_window": 5, "use_sliding_window": true, "layer_types":
    ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]})")),
            "fsfs");
  EXPECT_EQ(
      windows(config("gemma3_text", R"({"head_dim": 8, "sliding_window": 5, "sliding_window_pattern": 3})")),
      "ssfs");
  EXPECT_EQ(windows(config("mistral", R"({"num_key_value_heads": 2, "sliding_window": 5})")), "ssss");
  EXPECT_EQ(windows(with_null(config("mistral", R"({"num_key_value_heads": 2})"), "sliding_window")), "ffff");
  says(refused(config("qwen2", R"({"layer_types": ["sliding_attention"]})")), "layer_types");
  says(refused(config("qwen2", R"({"layer_types": ["full_attention", "full_attention", "full_attention",
    "sliding_attention"]})")),
       "sliding_window");
}

// Up to the original context the short factors, beyond it the long ones, for the whole program.
TEST(DecoderConfig, LongRopeGoesByTheLongestSequence) {
  const auto json = config("llama", R"({"rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0,
    "original_max_position_embeddings": 16, "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 2, 2]}})");
  const auto near = frequencies_of(json, 16), far = frequencies_of(json, 17);
  ASSERT_EQ(near.size(), far.size());
  for (std::size_t i = 0; i < near.size(); ++i) EXPECT_EQ(near[i], 2 * far[i]);
}

TEST(DecoderConfig, WhatIsNotComputedIsRefused) {
  says(refused(config("llama", R"({"rope_scaling": {"type": "xpos", "factor": 2}})")), "rope_type");
  says(refused(config("llama", R"({"rope_scaling": {"type": "linear"}})")), "rope_parameters.factor");
  says(refused(config("llama", R"({"rope_scaling": {"type": "linear", "factor": 0.5}})")), "1 or more");
  says(refused(config("llama", R"({"rope_scaling": {"type": "llama3", "factor": 8}})")), "low_freq_factor");
  says(refused(config("llama", R"({"rope_scaling": {"type": "longrope", "short_factor": [1]}})")),
       "short_factor");
  says(refused(config("llama", R"({"rope_theta": -1})")), "rope_theta");
  says(refused(config("llama", R"({"rope_theta": "1e4"})")), "rope_theta");
  says(refused(config("llama", R"({"partial_rotary_factor": 0.5})")), "partial_rotary_factor");
  says(refused(config("llama", R"({"rope_interleaved": true})")), "rope_interleaved");
  says(refused(config("llama", R"({"hidden_act": "xielu"})")), "hidden_act");
  says(refused(config("llama", R"({"head_dim": 7})")), "head_dim");
  says(refused(config("llama", R"({"num_attention_heads": 5})")), "head_dim beside it");
  says(refused(config("llama", R"({"num_key_value_heads": 3})")), "num_key_value_heads");
  says(refused(config("gemma3_text", R"({"use_bidirectional_attention": true})")),
       "use_bidirectional_attention");
  says(refused(config("gemma3_text", R"({"query_pre_attn_scalar": 0})")), "query_pre_attn_scalar");
  says(refused(config("gemma3_text", R"({"final_logit_softcapping": -1})")), "final_logit_softcapping");
  says(refused(config("falcon")), "gpt2, llama, qwen2, qwen3, gemma3_text");
}

TEST(DecoderConfig, KeysThatNobodyReadsAreANote) {
  EXPECT_TRUE(model_of(config("llama", R"({"torch_dtype": "bfloat16", "pretraining_tp": 1, "use_cache": true,
    "eos_token_id": [1, 2], "rope_scaling": {}})"))
                  .notes()
                  .empty());
  const auto notes = model_of(config("qwen2", R"({"attention_bias": true})")).notes();
  ASSERT_EQ(notes.size(), 1u);
  says(notes[0], "attention_bias");
}

}  // namespace
}  // namespace hone
