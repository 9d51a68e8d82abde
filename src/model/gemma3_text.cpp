// Gemma 3, its language model (Gemma Team, 2025): norms whose weights begin at zero, around each branch too;
// layers with a window and layers without, each kind with a rotation of its own; embeddings times
// sqrt(width).
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;

constexpr std::string_view keys[] = {
    "attention_bias", "query_pre_attn_scalar", "sliding_window", "sliding_window_pattern",
    "_sliding_window_pattern", "layer_types", "final_logit_softcapping", "rope_local_base_freq",
    "use_bidirectional_attention",
    // Transformers has this one and applies it nowhere (5.23), nor does llama.cpp
    "attn_logit_softcapping"};

}  // namespace

// Since Transformers 5 there is an object for each kind of layer; before, rope_theta and rope_scaling were
// the full ones' and rope_local_base_freq the sliding ones'.
Json gemma3_rope_parameters(const Json& config, const char* kind, const std::string& where) {
  const bool full = std::string_view(kind) == "full_attention";
  const Json all = config.value("rope_parameters", Json());
  if (all.is_object() && !all.empty() && !all.contains("full_attention") &&
      !all.contains("sliding_attention"))
    refuse_key(where, "rope_parameters", "objects full_attention and sliding_attention", all.dump());
  Json own = {{"rope_theta", config.value(full ? "rope_theta" : "rope_local_base_freq", Json())}};
  if (all.is_object() && all.contains(kind)) own["rope_parameters"] = all[kind];
  if (full) own["rope_scaling"] = config.value("rope_scaling", Json());
  return rope_parameters(own, full ? 1e6 : 1e4, where);
}

FamilyModel make_gemma3_text(Json& config, const ModelOptions& options, const std::string& where) {
  std::vector<std::string> notes;
  Decoder d = read_decoder(config, options,
                           {.name = "gemma3_text",
                            .keys = keys,
                            .context = 131072,
                            .kv_heads = 4,
                            .head_dim = 256,
                            .activation_key = "hidden_activation",
                            .activation = "gelu_pytorch_tanh",
                            .rope_theta = 0,
                            .tied = true},
                           where, notes);
  if (flag_key(config, "use_bidirectional_attention", false, where))
    refuse_key(where, "use_bidirectional_attention", "false: a language model looks back", "true");
  d.qkv_bias = d.o_bias = flag_key(config, "attention_bias", false, where);
  d.head_norms = d.branch_norms = true;
  d.norm_offset = 1;
  d.embedding_scale = std::sqrt(static_cast<float>(d.width));
  d.score_scale = 1 / std::sqrt(positive_number_key(config, "query_pre_attn_scalar", 256, where));
  d.logit_cap = positive_number_key(config, "final_logit_softcapping", 0, where);
  const std::int64_t window = optional_size_key(config, "sliding_window", 4096, where);
  const char* pattern_key =
      config.contains("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
  const std::int64_t pattern = optional_size_key(config, pattern_key, 6, where);
  set_windows(d, config, window, where, [&](std::int64_t layer) { return (layer + 1) % pattern != 0; });
  const RopeContext context{d.head_dim, d.context, where};
  for (const char* kind : {"full_attention", "sliding_attention"})
    d.ropes.push_back(make_rope(gemma3_rope_parameters(config, kind, where), context));
  for (Decoder::Layer& layer : d.layers) layer.rope = layer.window > 0 ? 1 : 0;
  return decoder_model(std::move(d), std::move(notes));
}

}  // namespace hone
