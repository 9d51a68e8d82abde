#include "model/families.hpp"

namespace hone {

const std::vector<Family>& families() {
  static const std::vector<Family> all{{"gpt2", "transformer.", make_gpt2}};
  return all;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"gpt2", R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 12, "n_head": 12,
                   "n_embd": 768, "n_positions": 1024, "vocab_size": 50257, "activation_function": "gelu_new",
                   "layer_norm_epsilon": 1e-5, "initializer_range": 0.02, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
                   "resid_pdrop": 0.0, "tie_word_embeddings": true})"},
      {"nano", R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 6, "n_head": 6,
                   "n_embd": 384, "n_positions": 256, "vocab_size": 256, "activation_function": "gelu_new",
                   "layer_norm_epsilon": 1e-5, "initializer_range": 0.02, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
                   "resid_pdrop": 0.0, "tie_word_embeddings": true})"},
  };
  return all;
}

}  // namespace hone
