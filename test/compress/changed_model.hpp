// A model with some weights changed by hand.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hone/model.hpp"
#include "model/model_impl.hpp"

namespace hone {

// `change` gets each weight's name, and its values as files have them.
inline Model changed(const Model& model,
                     const std::function<void(const std::string&, std::vector<float>&)>& change) {
  std::map<std::string, StoredWeight> made;
  for (const ParameterSpec& spec : model.impl().specs) {
    std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
    model.read(spec.name, values);
    change(spec.name, values);
    const auto bytes = std::as_bytes(std::span(values));
    made[spec.name] = made_weight({spec.shape, DType::f32}, {bytes.begin(), bytes.end()});
  }
  return with_weights(model, model.impl().store.with_stored(std::move(made)));
}

}  // namespace hone
