// The metadata that llama.cpp needs of a model: from its config.json, and from its tokenizer's files.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "file/gguf_writer.hpp"
#include "model/gguf_family.hpp"

namespace hone {

// Keys of the family. Error(input) for what llama.cpp's family cannot say.
void write_config_keys(GgufWriter& out, const GgufFamily& family, const nlohmann::json& config,
                       const std::string& where);
// How wide a head is, by head_dim, what the heads share, or the family's habit.
std::int64_t head_width(const nlohmann::json& config);
// How a rotation's frequencies are stretched, as divisors of each pair (of Llama 3, and of LongRoPE where
// short and long texts have the same); empty where a file says it otherwise.
std::vector<float> rotation_factors(const nlohmann::json& config);
// Keys of the tokenizer in a folder, from its tokenizer.json, tokenizer_config.json and chat_template.jinja;
// none where there is no tokenizer.json, which a note says.
void write_tokenizer_keys(GgufWriter& out, const std::string& folder, const nlohmann::json& config,
                          std::vector<std::string>& notes);

}  // namespace hone
