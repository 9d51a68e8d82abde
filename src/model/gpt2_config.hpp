// The config.json of a gpt2 model.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace hone {

struct Gpt2Config {
  std::int64_t n_layer, n_head, n_embd, n_positions, vocab_size, n_inner;
  float epsilon, range, embd_pdrop, attn_pdrop, resid_pdrop;
  std::string activation;
  bool tied, scaled, scaled_by_layer;
};

// Error(input) with `where` for a value that makes no model. Keys by Transformers' general names
// (hidden_size,
// ...) are put under GPT-2's own; keys that nobody reads are named in a note.
Gpt2Config read_gpt2_config(nlohmann::json& config, const std::string& where,
                            std::vector<std::string>& notes);

}  // namespace hone
