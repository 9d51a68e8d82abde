// The config.json of a torch_transformer model.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace hone {

struct TorchTransformerConfig {
  enum class Positions : std::uint8_t { none, sinusoidal, learned };
  std::int64_t d_model, nhead, encoder_layers, decoder_layers, dim_feedforward;
  std::int64_t source_vocab_size, target_vocab_size;
  std::int64_t context;  // most positions of source and target; 0: any number
  float dropout, epsilon, label_smoothing;
  std::string activation;
  Positions positions;
  bool norm_first, scale_embedding, tied;
};

// Error(input) with `where` for a value that makes no model; keys that nobody reads are named in a note.
TorchTransformerConfig read_torch_transformer_config(const nlohmann::json& config, const std::string& where,
                                                     std::vector<std::string>& notes);

}  // namespace hone
