// Weights in types of blocks, and sparse ones, where they lie in a folder's files.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "file/weight_types.hpp"
#include "store/weight_store.hpp"

namespace hone {

struct MappedWeights {
  std::map<std::string, StoredWeight> weights{};
  std::int64_t beside_bytes = 0;  // what of the files is mapped beside them
};
// Those of these types, which are taken out of `tensors`, with all components. `config_path` says the types.
// Error(input) for a weight that is missing or that the model does not have, whose tensor is of another type
// or shape, and for places of kept elements that are none.
MappedWeights map_weights(NamedTensors& tensors, const WeightTypes& types,
                          const std::vector<ParameterSpec>& specs, const std::string& config_path);

}  // namespace hone
