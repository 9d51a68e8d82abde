#include "model/gguf_family.hpp"

#include <algorithm>
#include <cctype>

namespace hone {
namespace {

constexpr GgufFamily families[] = {
    {.architecture = "llama",
     .model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .interleaved = true,
     .head_biases = true,
     .output_bias = true,
     .mlp_bias = true},
    {.architecture = "qwen2", .model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .head_biases = true},
    {.architecture = "qwen3", .model_type = "qwen3", .class_name = "Qwen3ForCausalLM"},
    {.architecture = "gemma3",
     .model_type = "gemma3_text",
     .class_name = "Gemma3ForCausalLM",
     .norm_offset = 1,
     .branch_norms = true,
     .activation = "gelu_pytorch_tanh"},
};

struct Pair {
  std::string_view gguf, name;
};
constexpr Pair whole[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr Pair in_layer[] = {{"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
                             {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
                             {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
                             {"attn_k_norm", "self_attn.k_norm"}, {"ffn_gate", "mlp.gate_proj"},
                             {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"}};
constexpr Pair plain_norms[] = {{"ffn_norm", "post_attention_layernorm"}};
constexpr Pair branch_norms[] = {{"post_attention_norm", "post_attention_layernorm"},
                                 {"ffn_norm", "pre_feedforward_layernorm"},
                                 {"post_ffw_norm", "post_feedforward_layernorm"}};

constexpr std::string_view gguf_layers = "blk.", layers = "model.layers.";

// One side's name of a module by the other's; empty where there is none.
std::string_view other(std::span<const Pair> pairs, std::string_view Pair::*from, std::string_view Pair::*to,
                       std::string_view module) {
  const auto found =
      std::find_if(pairs.begin(), pairs.end(), [&](const Pair& p) { return p.*from == module; });
  return found == pairs.end() ? std::string_view() : (*found).*to;
}

std::optional<std::string> translated(const GgufFamily& family, std::string_view name,
                                      std::string_view Pair::*from, std::string_view Pair::*to) {
  const bool to_gguf = to == &Pair::gguf;
  const std::string_view prefix = to_gguf ? layers : gguf_layers;
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  std::string_view module = name.substr(0, dot);
  const std::string_view end = name.substr(dot);  // .weight, .bias
  if (!module.starts_with(prefix)) {
    const std::string_view found = other(whole, from, to, module);
    return found.empty() ? std::nullopt : std::optional(std::string(found) + std::string(end));
  }
  module.remove_prefix(prefix.size());
  const std::size_t digits = std::min(module.find('.'), module.size());
  const std::string_view number = module.substr(0, digits);
  if (number.empty() ||
      !std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isdigit(c); }))
    return {};
  module.remove_prefix(std::min(digits + 1, module.size()));
  std::string_view found = other(in_layer, from, to, module);
  if (found.empty())
    found =
        family.branch_norms ? other(branch_norms, from, to, module) : other(plain_norms, from, to, module);
  if (found.empty()) return {};
  return std::string(to_gguf ? gguf_layers : layers) + std::string(number) + "." + std::string(found) +
         std::string(end);
}

}  // namespace

std::span<const GgufFamily> gguf_families() { return families; }

const GgufFamily* gguf_family_of_architecture(std::string_view architecture) {
  for (const GgufFamily& f : families)
    if (architecture == f.architecture) return &f;
  return nullptr;
}
// Mistral without a window is llama, and llama.cpp has no name of its own for it.
const GgufFamily* gguf_family_of_model_type(std::string_view model_type) {
  if (model_type == "mistral") model_type = "llama";
  for (const GgufFamily& f : families)
    if (model_type == f.model_type) return &f;
  return nullptr;
}

std::optional<std::string> gguf_name(const GgufFamily& family, std::string_view name) {
  return translated(family, name, &Pair::name, &Pair::gguf);
}
std::optional<std::string> name_of_gguf(const GgufFamily& family, std::string_view gguf) {
  return translated(family, gguf, &Pair::gguf, &Pair::name);
}

Permuted permuted(const GgufFamily& family, std::string_view gguf) {
  if (!family.interleaved) return Permuted::no;
  if (gguf.find(".attn_q.") != std::string_view::npos) return Permuted::queries;
  return gguf.find(".attn_k.") != std::string_view::npos ? Permuted::keys : Permuted::no;
}

bool is_norm(std::string_view gguf) { return gguf.ends_with("_norm.weight"); }

}  // namespace hone
