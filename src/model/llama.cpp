// Llama (Touvron et al., 2023; Dubey et al., 2024): SmolLM2, TinyLlama, Llama 3.
#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {

FamilyModel make_llama(nlohmann::json& config, const ModelOptions& options, const std::string& where) {
  static constexpr std::string_view keys[] = {"attention_bias", "mlp_bias"};
  std::vector<std::string> notes;
  Decoder d = read_decoder(config, options, {.name = "llama", .keys = keys}, where, notes);
  d.qkv_bias = d.o_bias = flag_key(config, "attention_bias", false, where);
  d.mlp_bias = flag_key(config, "mlp_bias", false, where);
  return decoder_model(std::move(d), std::move(notes));
}

}  // namespace hone
