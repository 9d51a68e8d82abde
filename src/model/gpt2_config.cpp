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
  note_unknown_keys("gpt2", config, gpt2_keys, where, notes);
  Gpt2Config c{};
  c.n_layer = positive_key(config, "n_layer", where);
  c.n_head = positive_key(config, "n_head", where);
  c.n_embd = positive_key(config, "n_embd", where);
  c.n_positions = positive_key(config, "n_positions", where);
  c.vocab_size = positive_key(config, "vocab_size", where);
  const bool inner = config.contains("n_inner") && !config["n_inner"].is_null();
  c.n_inner = inner ? positive_key(config, "n_inner", where) : 4 * c.n_embd;
  c.epsilon = fraction_key(config, "layer_norm_epsilon", 1e-5, 1, where);
  c.range = fraction_key(config, "initializer_range", 0.02, 10, where);
  c.embd_pdrop = fraction_key(config, "embd_pdrop", 0.1, 1, where);
  c.attn_pdrop = fraction_key(config, "attn_pdrop", 0.1, 1, where);
  c.resid_pdrop = fraction_key(config, "resid_pdrop", 0.1, 1, where);
  c.activation =
      config.contains("activation_function") ? json_string(config, "activation_function", where) : "gelu_new";
  c.tied = flag_key(config, "tie_word_embeddings", true, where);
  c.scaled = flag_key(config, "scale_attn_weights", true, where);
  c.scaled_by_layer = flag_key(config, "scale_attn_by_inverse_layer_idx", false, where);
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
