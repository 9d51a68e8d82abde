// The families: what each makes of a config.json, in the file of its name.
#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "op/builder_state.hpp"
#include "store/weight_names.hpp"

namespace hone {

struct Decoder;  // model/decoder.hpp

struct FamilyModel {
  Network network;
  std::int64_t vocab_size, context;  // of what decodes; 0: any number of positions
  std::vector<std::string> notes;    // what is worth knowing of the config
  Objective objective = next_token();
  std::shared_ptr<const Decoder> decoder{};  // of llama and its kin: the values that describe it
};

struct Family {
  const char* name;  // config.json's model_type
  FamilyNames names;
  // Reads the config (with `where` for messages); options override what they set, and the config is updated.
  FamilyModel (*make)(nlohmann::json& config, const ModelOptions& options, const std::string& where);
};

struct Preset {
  const char* name;
  std::string config;
};

const std::vector<Family>& families();
const std::vector<Preset>& presets();

FamilyModel make_gpt2(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_llama(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_qwen2(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_qwen3(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_gemma3_text(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_mistral(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_olmo2(nlohmann::json& config, const ModelOptions& options, const std::string& where);
FamilyModel make_torch_transformer(nlohmann::json& config, const ModelOptions& options,
                                   const std::string& where);

}  // namespace hone
