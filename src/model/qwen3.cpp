// Qwen3 (Yang et al., 2025): llama with norms of each query's and key's head.
#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {

FamilyModel make_qwen3(nlohmann::json& config, const ModelOptions& options, const std::string& where) {
  std::vector<std::string> notes;
  Decoder d = read_decoder(
      config, options, {.name = "qwen3", .keys = qwen_keys, .context = 32768, .head_dim = 128}, where, notes);
  d.qkv_bias = d.o_bias = flag_key(config, "attention_bias", false, where);
  d.head_norms = true;
  set_qwen_windows(d, config, where);
  return decoder_model(std::move(d), std::move(notes));
}

}  // namespace hone
