// A model folder's weights out: one file, or shards and their index where that would be large.
#pragma once
#include <string>
#include <vector>

#include "store/weight_store.hpp"

namespace hone {

// FOLDER/model.safetensors; or, where the tensors are more than `max_shard_bytes`, shards of at most that (a
// larger tensor has one of its own) with model.safetensors.index.json, as Transformers writes them. What an
// earlier save left there goes: nobody finds two sets of weights, nor shards of two. Error(usage) where
// max_shard_bytes is not above 0.
void save_weights(const std::string& folder, std::vector<ParameterSpec> parameters, const WeightReader& read,
                  std::int64_t max_shard_bytes);

// The bytes of all files of weights that this makes, headers too, their index apart.
std::int64_t saved_bytes(std::vector<ParameterSpec> parameters, std::int64_t max_shard_bytes);

}  // namespace hone
