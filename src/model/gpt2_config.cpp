#include "model/gpt2_config.hpp"

#include <nlohmann/json.hpp>

#include "base/number.hpp"
#include "file/json.hpp"
#include "hone/error.hpp"
#include "model/config_keys.hpp"

namespace hone {
namespace {

// What GPT2Config has beside PreTrainedConfig's keys: those that are read below, then those without effect on
// a language model's logits. (reorder_and_upcast_attn asks for scores in f32, which hone always has; n_ctx
// was the causal mask's size, which follows n_positions.)
constexpr std::string_view gpt2_keys[] = {
    "n_layer", "n_head", "n_embd", "n_positions", "n_inner", "vocab_size", "activation_function",
    "layer_norm_epsilon", "initializer_range", "embd_pdrop", "attn_pdrop", "resid_pdrop",
    "tie_word_embeddings", "scale_attn_weights", "scale_attn_by_inverse_layer_idx",
    // without effect
    "reorder_and_upcast_attn", "n_ctx", "summary_activation", "summary_first_dropout",
    "summary_proj_to_labels", "summary_type", "summary_use_proj"};

// GPT2Config's attribute_map: Transformers takes either name.
constexpr const char* other_names[][2] = {{"hidden_size", "n_embd"},
                                          {"max_position_embeddings", "n_positions"},
                                          {"num_attention_heads", "n_head"},
                                          {"num_hidden_layers", "n_layer"}};

void use_own_names(nlohmann::json& config, const std::string& where) {
  for (const auto& [other, own] : other_names) {
    if (!config.contains(other)) continue;
    if (config.contains(own) && config[own] != config[other])
      refuse_key(where, other, std::string(own) + ", " + config[own].dump(), config[other].dump());
    config[own] = config[other];
    config.erase(other);
  }
}

void note_unknown_keys(const nlohmann::json& config, const std::string& where,
                       std::vector<std::string>& notes) {
  std::string unknown;
  for (const std::string& key : unknown_keys(config, gpt2_keys))
    unknown += (unknown.empty() ? "" : ", ") + key;
  if (!unknown.empty()) notes.push_back(where + ": keys without effect on a gpt2 model: " + unknown);
}

std::int64_t positive(const nlohmann::json& config, const char* key, const std::string& where) {
  const std::int64_t value = json_integer(config, key, where);
  if (value <= 0 || value > 100'000'000) refuse_key(where, key, "1 to 100 million", std::to_string(value));
  return value;
}

float fraction(const nlohmann::json& config, const char* key, double missing, double below,
               const std::string& where) {
  if (!config.contains(key)) return static_cast<float>(missing);
  if (!config[key].is_number()) refuse_key(where, key, "a number", config[key].dump());
  const double value = config[key].get<double>();
  if (!(value >= 0 && value < below))
    refuse_key(where, key, "0 <= " + std::string(key) + " < " + to_text(below), config[key].dump());
  return static_cast<float>(value);
}

bool flag(const nlohmann::json& config, const char* key, bool missing, const std::string& where) {
  if (!config.contains(key)) return missing;
  if (!config[key].is_boolean()) refuse_key(where, key, "true or false", config[key].dump());
  return config[key].get<bool>();
}

// No product of sizes may overflow below.
void refuse_huge(const Gpt2Config& c, const std::string& where) {
  const auto number = [](std::int64_t n) { return static_cast<double>(n); };
  const double block = number(c.n_embd) * (4 * number(c.n_embd) + 2 * number(c.n_inner));
  const double all = number(c.n_layer) * block + number(c.n_embd) * number(c.vocab_size + c.n_positions);
  if (all > 1e15)
    throw Error(ErrorKind::input, {.what = "the sizes make no model that could exist",
                                   .where = where,
                                   .expected = "at most 1e15 parameters",
                                   .found = to_text(all)});
}

}  // namespace

Gpt2Config read_gpt2_config(nlohmann::json& config, const std::string& where,
                            std::vector<std::string>& notes) {
  use_own_names(config, where);
  refuse_other_functions(config, where);
  note_unknown_keys(config, where, notes);
  Gpt2Config c{};
  c.n_layer = positive(config, "n_layer", where);
  c.n_head = positive(config, "n_head", where);
  c.n_embd = positive(config, "n_embd", where);
  c.n_positions = positive(config, "n_positions", where);
  c.vocab_size = positive(config, "vocab_size", where);
  const bool inner = config.contains("n_inner") && !config["n_inner"].is_null();
  c.n_inner = inner ? positive(config, "n_inner", where) : 4 * c.n_embd;
  c.epsilon = fraction(config, "layer_norm_epsilon", 1e-5, 1, where);
  c.range = fraction(config, "initializer_range", 0.02, 10, where);
  c.embd_pdrop = fraction(config, "embd_pdrop", 0.1, 1, where);
  c.attn_pdrop = fraction(config, "attn_pdrop", 0.1, 1, where);
  c.resid_pdrop = fraction(config, "resid_pdrop", 0.1, 1, where);
  c.activation =
      config.contains("activation_function") ? json_string(config, "activation_function", where) : "gelu_new";
  c.tied = flag(config, "tie_word_embeddings", true, where);
  c.scaled = flag(config, "scale_attn_weights", true, where);
  c.scaled_by_layer = flag(config, "scale_attn_by_inverse_layer_idx", false, where);
  if (c.n_embd % c.n_head != 0)
    refuse_key(where, "n_head", "a divisor of n_embd = " + std::to_string(c.n_embd),
               std::to_string(c.n_head));
  if (c.n_embd / c.n_head > 256)
    refuse_key(where, "n_head", "heads at most 256 wide", std::to_string(c.n_embd / c.n_head) + " wide");
  if (c.n_layer > 10000) refuse_key(where, "n_layer", "at most 10000", std::to_string(c.n_layer));
  refuse_huge(c, where);
  return c;
}

}  // namespace hone
