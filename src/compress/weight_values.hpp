// A model's weights as methods of compression see them: f32, [out,in], as programs keep them.
//
//   std::vector<float> w = weight_values(model, "model.layers.0.mlp.up_proj.weight");
//   made[name] = weight_from(model.impl().spec(name), w, DType::bf16);   // for WeightStore::with_stored
#pragma once
#include <span>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "store/weight_store.hpp"

namespace hone {

// Error(input), which says `what`, where a weight is in blocks.
void require_floating(const Model& model, const char* what);
// Error(input) where one is not finite.
std::vector<float> weight_values(const Model& model, const std::string& name);
// The weight of that specification with these values, in a floating type; a store keeps it in files' layout.
StoredWeight weight_from(const ParameterSpec& spec, std::span<const float> values, DType type);

}  // namespace hone
