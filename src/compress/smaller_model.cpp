#include "compress/smaller_model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "compress/weight_values.hpp"
#include "ir/values.hpp"
#include "model/model_impl.hpp"

namespace hone {

SmallerModel::SmallerModel(const Model& model) : model_(model), types_(model.impl().store.stored_types()) {
  require_floating(
      model, {"the model is quantized", "prune the model that it was made of, and quantize the result"});
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

namespace {

// The numbers of the rows or columns that stay; of all of them, where nothing is said.
std::vector<std::size_t> places(const std::optional<Staying>& staying, std::int64_t all) {
  std::vector<std::size_t> at;
  if (!staying)
    for (std::int64_t i = 0; i < all; ++i) at.push_back(static_cast<std::size_t>(i));
  else
    for (const std::int64_t unit : staying->units)
      for (std::int64_t i = 0; i < staying->width; ++i)
        at.push_back(static_cast<std::size_t>(unit * staying->width + i));
  return at;
}

}  // namespace

void SmallerModel::keep(const std::string& module, std::span<const float> weight,
                        const std::optional<Staying>& rows, const std::optional<Staying>& columns) {
  for (const bool bias : {false, true}) {
    const ParameterSpec* found = model_.impl().find(module + (bias ? ".bias" : ".weight"));
    if (!found || (bias && !rows)) continue;
    ParameterSpec spec = *found;
    const std::vector<float> own = bias || weight.empty() ? read(spec.name) : std::vector<float>();
    const std::span<const float> all = own.empty() ? weight : std::span<const float>(own);
    const bool vector = spec.shape.rank() == 1;
    const std::vector<std::size_t> kept_rows = places(rows, spec.shape[0]);
    const std::vector<std::size_t> kept_columns =
        vector ? std::vector<std::size_t>{0} : places(columns, spec.shape[1]);
    const std::size_t stride = vector ? 1 : static_cast<std::size_t>(spec.shape[1]);
    std::vector<float> some;
    for (const std::size_t r : kept_rows)
      for (const std::size_t c : kept_columns) some.push_back(all[r * stride + c]);
    spec.shape =
        vector ? Shape{std::ssize(kept_rows)} : Shape{std::ssize(kept_rows), std::ssize(kept_columns)};
    put(spec, some);
  }
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
