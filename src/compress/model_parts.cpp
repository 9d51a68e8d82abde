#include "compress/model_parts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ir/op_record.hpp"
#include "model/low_rank.hpp"
#include "model/model_impl.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

ModelParts gpt2_parts() {
  return {.layers = "transformer.h.",
          .layer_count = "n_layer",
          .channel_count = "n_inner",
          .channels = {{"mlp.c_fc"}, "mlp.c_proj"},
          .queries = "attn.c_attn",
          .attention_joins = "attn.c_proj",
          .width_count = "n_embd",
          .tables = {"transformer.wte", "transformer.wpe", "lm_head"},
          .norms = {"transformer.ln_f"},
          .layer_norms = {"ln_1", "ln_2"},
          .heads_of_width = "n_head"};
}

// Of llama and its kin.
ModelParts decoder_parts() {
  return {.layers = "model.layers.",
          .layer_count = "num_hidden_layers",
          .channel_count = "intermediate_size",
          .channels = {{"mlp.gate_proj", "mlp.up_proj"}, "mlp.down_proj"},
          .head_count = "num_attention_heads",
          .kv_head_count = "num_key_value_heads",
          .queries = "self_attn.q_proj",
          .keys_values = {"self_attn.k_proj", "self_attn.v_proj"},
          .attention_joins = "self_attn.o_proj",
          .width_count = "hidden_size",
          .tables = {"model.embed_tokens", "lm_head"},
          .norms = {"model.norm"},
          .layer_norms = {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                          "post_feedforward_layernorm"}};
}

// Which kinds of attention layers have, as Transformers' configs say it.
nlohmann::json layer_types(const std::vector<std::int64_t>& windows) {
  nlohmann::json types = nlohmann::json::array();
  for (const std::int64_t window : windows)
    types.push_back(window > 0 ? "sliding_attention" : "full_attention");
  return types;
}

}  // namespace

ModelParts parts_of(const Model& model) {
  if (!ranks_of(model).empty())
    throw Error(ErrorKind::input, {.what = "the model is factorized, and its parts are no longer whole",
                                   .where = low_rank_key,
                                   .hint = "prune the model that it was made of, and factorize the result"});
  if (model.family() == "gpt2") return gpt2_parts();
  ModelParts parts = decoder_parts();
  const auto& impl = model.impl();
  if (impl.find(parts.layer(0) + parts.queries + ".weight") && impl.family != "custom") return parts;
  throw Error(ErrorKind::input, {.what = "parts of this family's models are not known",
                                 .expected = "gpt2, llama, qwen2, qwen3, gemma3_text, mistral or olmo2",
                                 .found = model.family(),
                                 .hint = "weights can be pruned one by one: unstructured, 2:4, 4x1, 16x1"});
}

ModelSizes sizes_of(const Model& model, const ModelParts& parts) {
  const auto& impl = model.impl();
  const Program p = impl.write({.batch = 1, .seq = 1}).program;
  ModelSizes sizes;
  for (const Node& node : p.nodes) {
    if (node.op != &op::attention) continue;
    const auto a = node.attributes.as<op::AttentionAttributes>();
    sizes.heads = a.heads, sizes.kv_heads = a.kv_heads;
    sizes.head_dim = p[node.inputs[0]].type.shape.last() / a.heads;
    sizes.windows.push_back(a.sees.kind == kernel::Sees::Kind::window ? a.sees.positions : 0);
  }
  sizes.layers = std::ssize(sizes.windows);
  const Shape& joins = impl.spec(parts.layer(0) + parts.channels.joins + ".weight").shape;
  sizes.width = joins[0], sizes.channels = joins[1];
  return sizes;
}

void keep_layers(nlohmann::json& config, const ModelParts& parts, const ModelSizes& sizes,
                 const std::vector<std::int64_t>& kept, const std::string& where) {
  constexpr const char* by_number = "scale_attn_by_inverse_layer_idx";
  if (const auto found = config.find(by_number); found != config.end() && *found == true)
    throw Error(ErrorKind::input, {.what = "what a layer computes depends on its number",
                                   .where = where,
                                   .expected = "no \"" + std::string(by_number) + "\"",
                                   .found = "true"});
  config[parts.layer_count] = kept.size();
  const bool alike =
      std::ranges::all_of(sizes.windows, [&](std::int64_t w) { return w == sizes.windows[0]; });
  if (alike && !config.contains("layer_types")) return;
  std::vector<std::int64_t> windows;
  for (const std::int64_t layer : kept) windows.push_back(sizes.windows[static_cast<std::size_t>(layer)]);
  config["layer_types"] = layer_types(windows);
}

}  // namespace hone
