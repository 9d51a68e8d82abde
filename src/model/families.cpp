#include "model/families.hpp"

namespace hone {

namespace {

// Of llama and its kin; old files have a buffer of frequencies.
FamilyNames decoder_names() {
  return {.trunk = "model.",
          .table = "model.embed_tokens.weight",
          .head = "lm_head.weight",
          .buffers = {".rotary_emb.inv_freq"}};
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all{
      {"gpt2",
       {.trunk = "transformer.",
        .table = "transformer.wte.weight",
        .head = "lm_head.weight",
        .buffers = {".attn.bias", ".attn.masked_bias"}},  // the causal mask, and what it masks with
       make_gpt2},
      {"llama", decoder_names(), make_llama},
      {"qwen2", decoder_names(), make_qwen2},
      {"qwen3", decoder_names(), make_qwen3},
      {"gemma3_text", decoder_names(), make_gemma3_text},
      {"mistral", decoder_names(), make_mistral},
      {"olmo2", decoder_names(), make_olmo2},
      {"torch_transformer", {.table = "tgt.weight", .head = "out.weight"}, make_torch_transformer}};
  return all;
}

namespace {

std::string number(const char* key, int value) {
  return '"' + std::string(key) + "\": " + std::to_string(value) + ", ";
}

std::string gpt2_config(int n_layer, int n_head, int n_embd, int n_positions, int vocab_size) {
  return R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], )" + number("n_layer", n_layer) +
         number("n_head", n_head) + number("n_embd", n_embd) + number("n_positions", n_positions) +
         number("vocab_size", vocab_size) +
         R"("activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "initializer_range": 0.02,
            "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "tie_word_embeddings": true})";
}

// Heads in groups of three or two, tied, as SmolLM2 has them (Ben Allal et al., 2025).
std::string llama_config(int layers, int heads, int kv_heads, int width, int inner, int context,
                         int vocab_size) {
  return R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], )" +
         number("num_hidden_layers", layers) + number("num_attention_heads", heads) +
         number("num_key_value_heads", kv_heads) + number("hidden_size", width) +
         number("intermediate_size", inner) + number("max_position_embeddings", context) +
         number("vocab_size", vocab_size) +
         R"("hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 100000.0, "initializer_range": 0.02,
            "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true})";
}

// `more`: keys behind the sizes.
std::string torch_transformer_config(int layers, int nhead, int d_model, int vocab_size,
                                     const std::string& more) {
  return R"({"model_type": "torch_transformer", )" + number("num_encoder_layers", layers) +
         number("num_decoder_layers", layers) + number("nhead", nhead) + number("d_model", d_model) +
         number("dim_feedforward", 4 * d_model) + number("vocab_size", vocab_size) +
         R"("activation": "relu", "layer_norm_eps": 1e-5, "positions": "sinusoidal", "scale_embedding": true,
            "tie_word_embeddings": false, "max_position_embeddings": 512, )" +
         more + "}";
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"gpt2", gpt2_config(12, 12, 768, 1024, 50257)},
      {"nano", gpt2_config(6, 6, 384, 256, 256)},
      {"mini", gpt2_config(4, 4, 256, 256, 256)},   // the demo's where there is time for it
      {"micro", gpt2_config(3, 3, 192, 256, 256)},  // the demo's elsewhere
      {"tiny", gpt2_config(2, 4, 128, 128, 256)},   // for first steps: learns little, in seconds
      {"smollm2-135m", llama_config(30, 9, 3, 576, 1536, 8192, 49152)},
      {"llama-tiny", llama_config(2, 4, 2, 128, 384, 128, 256)},
      // torch.nn.Transformer's defaults, which are Vaswani et al.'s base model
      {"transformer-base",
       torch_transformer_config(6, 8, 512, 10000, R"("dropout": 0.1, "norm_first": false)")},
      // for small tasks, of which there are examples without end
      {"transformer-tiny", torch_transformer_config(2, 4, 128, 256, R"("dropout": 0.0, "norm_first": true)")},
  };
  return all;
}

}  // namespace hone
