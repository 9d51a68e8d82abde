// OLMo 2 (OLMo Team, 2024): llama with norms behind its branches instead of in front of them, and of all
// queries and all keys of a position at once.
#include "model/config_keys.hpp"
#include "model/decoder.hpp"

namespace hone {

FamilyModel make_olmo2(nlohmann::json& config, const ModelOptions& options, const std::string& where) {
  static constexpr std::string_view keys[] = {"attention_bias"};
  std::vector<std::string> notes;
  Decoder d = read_decoder(config, options, {.name = "olmo2", .keys = keys, .epsilon = 1e-5}, where, notes);
  d.qkv_bias = d.o_bias = flag_key(config, "attention_bias", false, where);
  d.input_norms = false;
  d.joint_norms = d.branch_norms = true;
  return decoder_model(std::move(d), std::move(notes));
}

}  // namespace hone
