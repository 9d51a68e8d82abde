#include "compress/smaller_model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "compress/weight_values.hpp"
#include "ir/values.hpp"
#include "model/model_impl.hpp"

namespace hone {

SmallerModel::SmallerModel(const Model& model) : model_(model), types_(model.impl().store.stored_types()) {
  for (const auto& [weight, type] : types_)
    if (is_blocks(type))
      throw Error(ErrorKind::input, {.what = "the model is quantized",
                                     .where = "weight " + weight,
                                     .found = std::string(name(type)),
                                     .hint = "prune the model that it was made of, and quantize the result"});
}

DType SmallerModel::type_of(const std::string& weight) const {
  const auto found = types_.find(weight);
  return found == types_.end() ? DType::f32 : found->second;
}

std::vector<float> SmallerModel::read(const std::string& weight) const {
  return weight_values(model_, weight);
}

void SmallerModel::put(const ParameterSpec& spec, std::span<const float> values) {
  made_[spec.name] = weight_from(spec, values, type_of(spec.name));
}

void SmallerModel::keep_rows(const std::string& module, std::span<const std::int64_t> units,
                             std::int64_t width) {
  for (const std::string& name : {module + ".weight", module + ".bias"}) {
    const ParameterSpec* found = model_.impl().find(name);
    if (!found) continue;
    ParameterSpec spec = *found;
    const std::vector<float> all = read(name);
    const std::size_t unit =
        all.size() / static_cast<std::size_t>(spec.shape[0]) * static_cast<std::size_t>(width);
    std::vector<float> some;
    for (const std::int64_t u : units) {
      const auto part = std::span(all).subspan(static_cast<std::size_t>(u) * unit, unit);
      some.insert(some.end(), part.begin(), part.end());
    }
    const std::int64_t rows = std::ssize(units) * width;
    spec.shape = spec.shape.rank() == 1 ? Shape{rows} : Shape{rows, spec.shape[1]};
    put(spec, some);
  }
}

void SmallerModel::keep_columns(const std::string& module, std::span<const float> weight,
                                std::span<const std::int64_t> units, std::int64_t width) {
  ParameterSpec spec = model_.impl().spec(module + ".weight");
  std::vector<float> some;
  for (std::int64_t r = 0; r < spec.shape[0]; ++r)
    for (const std::int64_t u : units) {
      const auto part = weight.subspan(static_cast<std::size_t>(r * spec.shape[1] + u * width),
                                       static_cast<std::size_t>(width));
      some.insert(some.end(), part.begin(), part.end());
    }
  spec.shape = {spec.shape[0], std::ssize(units) * width};
  put(spec, some);
}

Model SmallerModel::finish(const nlohmann::json& config,
                           const std::function<std::string(const std::string&)>& source) {
  const Model made = from_json(config, {}, "the smaller model");
  const WeightStore& store = model_.impl().store;
  std::map<std::string, StoredWeight> weights;
  for (const ParameterSpec& spec : made.impl().specs) {
    const std::string from = source(spec.name);
    if (const auto changed = made_.find(from); changed != made_.end()) {
      weights[spec.name] = changed->second;
      continue;
    }
    ParameterSpec old = model_.impl().spec(from);
    if (old.shape != spec.shape)  // its first values would pass for those that stay
      throw Error(ErrorKind::input,
                  {.what = "some of a weight would go too, and of this family it is not known which",
                   .where = "weight " + from,
                   .expected = to_string(spec.shape),
                   .found = to_string(old.shape),
                   .hint = "another pattern leaves it whole"});
    const TensorType type{old.shape, type_of(from)};
    if (old.transposed) {  // files have it turned, and so does a store
      std::vector<float> values(static_cast<std::size_t>(old.shape.elements()));
      store.read_file_layout(old, values);
      std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
      narrow(values, type.dtype, bytes);
      weights[spec.name] = made_weight(type, std::move(bytes));
      continue;
    }
    old.dtype = type.dtype;
    const auto held = store.hold(old);
    weights[spec.name] = {.type = type, .bytes = held->bytes(), .owner = held, .mapped = false};
  }
  return with_weights(made, made.impl().store.with_stored(std::move(weights)));
}

}  // namespace hone
