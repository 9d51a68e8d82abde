// The ids that end what a model writes, as its files say.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace hone {

// eos_token_id of generation_config.json, else of config.json; a GGUF file's eos, eot and eom. The first is
// the end of a text.
std::vector<std::int32_t> end_token_ids(const std::string& model);

}  // namespace hone
