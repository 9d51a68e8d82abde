// Llama (Touvron et al., 2023) and its kin: a decoder with RMSNorm around its branches, rotary positions,
// grouped heads and a gated feed-forward, described by values. A family's file says which values its
// config.json means.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/families.hpp"
#include "model/rope.hpp"

namespace hone {

struct Decoder {
  std::int64_t vocab_size = 0, context = 0, width = 0, inner = 0;
  std::int64_t heads = 1, kv_heads = 1, head_dim = 0;
  float epsilon = 1e-6f, range = 0.02f, attention_dropout = 0;
  GateFunction activation = GateFunction::silu;
  bool tied = false;

  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool head_norms = false;    // RMSNorm of each query's and key's head, in front of the rotation
  bool joint_norms = false;   // RMSNorm of all queries and of all keys of a position, there too
  bool input_norms = true;    // RMSNorm of what a branch reads
  bool branch_norms = false;  // RMSNorm of what a branch made, in front of the sum
  float norm_offset = 0;      // of a norm's weight
  float embedding_scale = 1;
  float score_scale = 0;  // 0: 1/sqrt(head_dim)
  float logit_cap = 0;    // 0: none

  struct Layer {
    std::int64_t window = 0;  // of keys; 0: no limit
    std::size_t rope = 0;     // which of `ropes`
  };
  std::vector<Layer> layers{};
  std::vector<Rope> ropes{};
};

// What a family's config.json may leave out, and what it says beside the keys of all.
struct DecoderFamily {
  const char* name;
  std::span<const std::string_view> keys{};  // known, beside those of all
  std::int64_t context = 2048;
  std::int64_t kv_heads = 0, head_dim = 0;  // 0: as many as heads; width/heads
  const char* activation_key = "hidden_act";
  const char* activation = "silu";
  double rope_theta = 10000;  // 0: the family reads its own ropes
  double epsilon = 1e-6;
  bool tied = false;
};

// Sizes, layers without windows, and the rotation. Puts the options into the config. Error(input) with
// `where` for what makes no model.
Decoder read_decoder(nlohmann::json& config, const ModelOptions& options, const DecoderFamily& family,
                     const std::string& where, std::vector<std::string>& notes);
// Which layers have a window: those that "layer_types" calls sliding_attention; without that key `sliding`
// decides by number. `window`: 0 where there is none, and then no layer may have it.
void set_windows(Decoder& decoder, const nlohmann::json& config, std::int64_t window,
                 const std::string& where, const std::function<bool(std::int64_t layer)>& sliding);
// The same by Qwen's keys.
inline constexpr std::string_view qwen_keys[] = {"attention_bias", "use_sliding_window", "sliding_window",
                                                 "max_window_layers", "layer_types"};
void set_qwen_windows(Decoder& decoder, const nlohmann::json& config, const std::string& where);
FamilyModel decoder_model(Decoder decoder, std::vector<std::string> notes);

// The function of a feed-forward's gate by Transformers' name; none for a name that is not known.
std::optional<GateFunction> gate_function(std::string_view name);
// What a config of llama or its kin means. Error(input) for another family's.
std::shared_ptr<const Decoder> decoder_of(nlohmann::json config, const std::string& where);
// The rotation's parameters in a config of gemma3_text, which has two; `kind` is full_attention or
// sliding_attention.
nlohmann::json gemma3_rope_parameters(const nlohmann::json& config, const char* kind,
                                      const std::string& where);

}  // namespace hone
