// A model's weights as methods of compression see them: f32, [out,in], as programs keep them.
//
//   std::vector<float> w = weight_values(model, "model.layers.0.mlp.up_proj.weight");
//   made[name] = weight_from(model.impl().spec(name), w, DType::bf16);   // for WeightStore::with_stored
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "store/weight_store.hpp"

namespace hone {

// The weights that are in codes, by name, and their types: "q4_g64".
std::map<std::string, std::string> coded_types(const Model& model);
struct CodedRefusal {
  const char* what;
  const char* hint = "quantize the model that it was made of";
};
// Error(input), which says that, where a weight is in codes; where this one is.
void require_floating(const Model& model, const CodedRefusal& refusal);
void require_floating(const Model& model, const std::string& weight, const CodedRefusal& refusal);
// Error(input) where a number of it is not finite; where one of any weight is not.
std::vector<float> weight_values(const Model& model, const std::string& name);
void require_finite(const Model& model);
// The weight of that specification with these values, in a floating type; a store keeps it in files' layout.
StoredWeight weight_from(const ParameterSpec& spec, std::span<const float> values, DType type);

}  // namespace hone
