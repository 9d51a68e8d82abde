// What config.json says of a folder whose weights are in types of blocks:
//
//   "quantization_config": {"quant_method": "hone", "weights": {"model.layers.0.mlp.up_proj.weight":
//   "q4_g64"}}
//
// Such a weight is a tensor U8[rows, bytes of a row] (doc/formats.md), rows as programs have them: [out,in].
#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ir/type.hpp"

namespace hone {

inline constexpr const char* quantization_key = "quantization_config";

using BlockTypes = std::map<std::string, DType>;  // by the weight's name

// Takes them out of the config. Error(input) for a type that there is not. A quantization_config of another
// tool is left to who refuses such keys.
BlockTypes take_block_types(nlohmann::json& config, const std::string& where);
// Says them in a config; nothing where there are none.
void add_block_types(nlohmann::json& config, const BlockTypes& types);
void add_block_types(nlohmann::ordered_json& config, const BlockTypes& types);

}  // namespace hone
