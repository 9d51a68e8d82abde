#include "model/config_keys.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "file/json.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

// Obeyed by nobody who computes logits: settings of generation, of training, of other heads, of the library.
constexpr std::string_view idle_keys[] = {
    // what the model is, and who wrote it
    "model_type", "architectures", "transformers_version", "_name_or_path", "name_or_path", "_commit_hash",
    "dtype", "torch_dtype", "tokenizer_class", "finetuning_task", "task_specific_params", "problem_type",
    // labels of classifiers
    "id2label", "label2id", "num_labels", "_num_labels",
    // how the library runs it and what it hands out
    "return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "_output_attentions",
    "output_past", "use_cache", "chunk_size_feed_forward", "gradient_checkpointing", "torchscript",
    "use_bfloat16", "tf_legacy_loss", "xla_device", "attn_implementation", "_attn_implementation",
    "_attn_implementation_internal", "_attn_implementation_autoset", "experts_implementation",
    "_experts_implementation", "keys_to_ignore_at_inference", "_from_model_config",
    // tokens with a meaning
    "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "prefix",
    // generation, in configs before generation_config.json
    "max_length", "min_length", "max_new_tokens", "min_new_tokens", "do_sample", "early_stopping",
    "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p", "typical_p",
    "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
    "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate",
    "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty",
    "suppress_tokens", "begin_suppress_tokens",
    // without effect unless one that is refused below is set
    "is_decoder", "cross_attention_hidden_size", "tie_encoder_decoder"};

struct RefusedKey {
  const char* name;
  const char* expected;
};
constexpr RefusedKey refused_keys[] = {
    {"add_cross_attention", "false: hone's family has no cross-attention"},
    {"is_encoder_decoder", "false: hone's families have a decoder alone"},
    {"pruned_heads", "no pruned heads"},
    {"quantization_config", "weights that are not quantized: take the model's F32, BF16 or F16 files"},
    {"compression_config", "weights that are not quantized: take the model's F32, BF16 or F16 files"},
    {"per_layer_config", "one shape for all layers"}};

// false, null, {}, [] and 0 ask for nothing.
bool asks_for_something(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  return !value.empty();
}

}  // namespace

void refuse_key(const std::string& where, const std::string& key, const std::string& expected,
                const std::string& found) {
  throw Error(
      ErrorKind::input,
      {.what = "impossible value of \"" + key + "\"", .where = where, .expected = expected, .found = found});
}

void refuse_other_functions(const nlohmann::json& config, const std::string& where) {
  for (const RefusedKey& key : refused_keys) {
    if (!config.contains(key.name) || !asks_for_something(config[key.name])) continue;
    const std::string found = config[key.name].dump();
    refuse_key(where, key.name, key.expected, found.size() > 80 ? found.substr(0, 80) + "..." : found);
  }
}

std::vector<std::string> unknown_keys(const nlohmann::json& config, std::span<const std::string_view> known) {
  std::vector<std::string> unknown;
  for (const auto& item : config.items()) {
    const std::string& key = item.key();
    const bool refused = std::any_of(std::begin(refused_keys), std::end(refused_keys),
                                     [&](const RefusedKey& r) { return key == r.name; });
    if (!refused && std::ranges::find(known, key) == known.end() &&
        std::ranges::find(idle_keys, key) == std::end(idle_keys))
      unknown.push_back(key);
  }
  return unknown;
}

void note_unknown_keys(const char* family, const nlohmann::json& config,
                       std::span<const std::string_view> known, const std::string& where,
                       std::vector<std::string>& notes) {
  std::string unknown;
  for (const std::string& key : unknown_keys(config, known)) unknown += (unknown.empty() ? "" : ", ") + key;
  if (!unknown.empty())
    notes.push_back(where + ": keys without effect on a " + std::string(family) + " model: " + unknown);
}

std::int64_t positive_key(const nlohmann::json& config, const char* key, const std::string& where) {
  const std::int64_t value = json_integer(config, key, where);
  if (value <= 0 || value > 100'000'000) refuse_key(where, key, "1 to 100 million", std::to_string(value));
  return value;
}

std::int64_t optional_size_key(const nlohmann::json& config, const char* key, std::int64_t missing,
                               const std::string& where) {
  const bool there = config.contains(key) && !config[key].is_null();
  return there ? positive_key(config, key, where) : missing;
}

std::int64_t optional_count_key(const nlohmann::json& config, const char* key, std::int64_t missing,
                                const std::string& where) {
  const bool zero = config.contains(key) && config[key].is_number_integer() && config[key] == 0;
  return zero ? 0 : optional_size_key(config, key, missing, where);
}

float fraction_key(const nlohmann::json& config, const char* key, double missing, double below,
                   const std::string& where) {
  if (!config.contains(key)) return static_cast<float>(missing);
  if (!config[key].is_number()) refuse_key(where, key, "a number", config[key].dump());
  const double value = config[key].get<double>();
  if (!(value >= 0 && value < below))
    refuse_key(where, key, "0 <= " + std::string(key) + " < " + to_text(below), config[key].dump());
  return static_cast<float>(value);
}

float positive_number_key(const nlohmann::json& config, const char* key, float missing,
                          const std::string& where) {
  if (!config.contains(key) || config[key].is_null()) return missing;
  const auto value = config[key].is_number() ? config[key].get<float>() : 0.0f;
  if (!(value > 0) || !std::isfinite(value)) refuse_key(where, key, "a number above 0", config[key].dump());
  return value;
}

bool flag_key(const nlohmann::json& config, const char* key, bool missing, const std::string& where) {
  if (!config.contains(key)) return missing;
  if (!config[key].is_boolean()) refuse_key(where, key, "true or false", config[key].dump());
  return config[key].get<bool>();
}

}  // namespace hone
