#include "model/families.hpp"

namespace hone {

const std::vector<Family>& families() {
  static const std::vector<Family> all{
      {"gpt2",
       {.trunk = "transformer.",
        .table = "transformer.wte.weight",
        .head = "lm_head.weight",
        .buffers = {".attn.bias", ".attn.masked_bias"}},  // the causal mask, and what it masks with
       make_gpt2}};
  return all;
}

namespace {

std::string gpt2_config(int n_layer, int n_head, int n_embd, int n_positions, int vocab_size) {
  const auto number = [](const char* key, int value) {
    return '"' + std::string(key) + "\": " + std::to_string(value) + ", ";
  };
  return R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], )" + number("n_layer", n_layer) +
         number("n_head", n_head) + number("n_embd", n_embd) + number("n_positions", n_positions) +
         number("vocab_size", vocab_size) +
         R"("activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "initializer_range": 0.02,
            "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "tie_word_embeddings": true})";
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"gpt2", gpt2_config(12, 12, 768, 1024, 50257)}, {"nano", gpt2_config(6, 6, 384, 256, 256)},
      {"mini", gpt2_config(4, 4, 256, 256, 256)},   // the demo's where there is time for it
      {"micro", gpt2_config(3, 3, 192, 256, 256)},  // the demo's elsewhere
      {"tiny", gpt2_config(2, 4, 128, 128, 256)},   // for first steps: learns little, in seconds
  };
  return all;
}

}  // namespace hone
