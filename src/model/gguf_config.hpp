// A GGUF's metadata as the config.json that Hugging Face's file of the same model has.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "file/gguf.hpp"
#include "model/gguf_family.hpp"

namespace hone {

// Of general.architecture; Error(input) that lists those that are known.
const GgufFamily& gguf_family(const GgufFile& file);
// Error(input) for a key that is missing, and for what hone's families have not: experts, heads that differ
// by layer, rotations of a part of a head. Keys of the architecture that nobody reads are a note.
nlohmann::json config_of_gguf(const GgufFile& file, std::vector<std::string>& notes);

}  // namespace hone
