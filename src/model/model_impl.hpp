// What a Model holds; for the rooms above that train and run it.
#pragma once
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "op/builder_state.hpp"
#include "store/weight_store.hpp"

namespace hone {

struct Model::Impl {
  std::string family;
  std::string config;  // the text of config.json
  std::int64_t vocab_size = 0, context = 0;
  ArchitectureFunction architecture;
  std::vector<ParameterSpec> specs;
  WeightStore store;

  const ParameterSpec* find(const std::string& name) const;  // null where there is none
  const ParameterSpec& spec(const std::string& name) const;  // Error(usage) that names the nearest
};

// The same model with other weights.
Model with_weights(const Model& model, WeightStore store);

}  // namespace hone
