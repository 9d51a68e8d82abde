// The parts of a model that can go whole: which weights a layer, a channel or a head is made of, and what
// config.json calls how many there are.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hone/model.hpp"

namespace hone {

// Names below a layer's, without ".weight" and ".bias". Units are rows of what reads, columns of what
// `joins`.
struct UnitNames {
  std::vector<std::string> reads{};
  std::string joins{};
};

struct ModelParts {
  std::string layers{};  // what a layer's names begin with, before its number: "model.layers."
  const char *layer_count = "", *channel_count = "";
  UnitNames channels{};
  // Keys and values with the queries that share them; head_count is null where config.json cannot say fewer
  // heads of the same width.
  const char *head_count = nullptr, *kv_head_count = nullptr;
  std::string queries{};
  std::vector<std::string> keys_values{};
  std::string attention_joins{};
  // The residual stream: who reads it besides (tables by their columns, and a head of its own), and its
  // norms, by their whole names or below a layer's. Of those listed a model may lack some.
  const char* width_count = "";
  std::vector<std::string> tables{}, norms{}, layer_norms{};
  // Where the width is that of all heads, what counts these; `queries` then makes keys and values too.
  const char* heads_of_width = nullptr;

  std::string layer(std::int64_t number) const { return layers + std::to_string(number) + "."; }
  // The units that heads are.
  UnitNames attention() const {
    UnitNames units{{queries}, attention_joins};
    units.reads.insert(units.reads.end(), keys_values.begin(), keys_values.end());
    return units;
  }
};

// Error(input) for a family whose parts are not known.
ModelParts parts_of(const Model& model);

// How a model is cut up.
struct ModelSizes {
  std::int64_t layers = 0, width = 0, channels = 0, heads = 0, kv_heads = 0, head_dim = 0;
  std::vector<std::int64_t> windows{};  // of each layer; 0: none
};
ModelSizes sizes_of(const Model& model, const ModelParts& parts);

// config.json with so many layers, those of these numbers. Error(input) where what a layer computes depends
// on its number and the config cannot say it.
void keep_layers(nlohmann::json& config, const ModelParts& parts, const ModelSizes& sizes,
                 const std::vector<std::int64_t>& kept, const std::string& where);

}  // namespace hone
