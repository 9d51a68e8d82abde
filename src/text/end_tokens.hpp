// The ids that end what a model writes, as its files say.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace hone {

// eos_token_id of generation_config.json, else of config.json; a GGUF file's eos, eot and eom. The first is
// the end of a text. What stands there and is no id below `below`, the model's vocabulary, is left out, with
// a note.
struct EndTokens {
  std::vector<std::int32_t> ids{};
  std::vector<std::string> notes{};
};
EndTokens end_tokens(const std::string& model, std::int64_t below);
// The same where the vocabulary is not known.
std::vector<std::int32_t> end_token_ids(const std::string& model);

}  // namespace hone
