// What a Model holds and how it is made; for the rooms above that train and run it.
#pragma once
#include <nlohmann/json_fwd.hpp>
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
  const FamilyNames* family_names = nullptr;  // of its family; none for an architecture of one's own
  std::vector<std::string> notes;

  const ParameterSpec* find(const std::string& name) const;  // null where there is none
  const ParameterSpec& spec(const std::string& name) const;  // Error(usage) that names the nearest
};

// A model of a config.json that was read from `where`, with fresh weights.
Model from_json(nlohmann::json config, const ModelOptions& options, const std::string& where);
// One of an architecture of one's own; config.json keeps its program under architecture_key.
Model custom_model(Architecture architecture, std::int64_t vocab_size, std::int64_t context,
                   std::uint64_t seed);
inline constexpr const char* architecture_key = "architecture";

// Error(input) for a file that stands where a model does, with what it is and the folder that it may be of.
[[noreturn]] void refuse_file(const std::string& path, const std::string& expected);

// The same model with other weights.
Model with_weights(const Model& model, WeightStore store);

}  // namespace hone
