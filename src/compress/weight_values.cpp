#include "compress/weight_values.hpp"

#include "ir/values.hpp"
#include "model/model_impl.hpp"

namespace hone {

namespace {

ParameterSpec wide(ParameterSpec spec) {
  spec.dtype = DType::f32;
  return spec;
}

}  // namespace

void require_floating(const Model& model, const char* what) {
  const auto refuse = [&](const std::string& weight, const std::string& type) {
    throw Error(ErrorKind::input, {.what = what,
                                   .where = weight,
                                   .expected = "weights in f32, bf16 or f16",
                                   .found = type,
                                   .hint = "quantize the model that it was made of"});
  };
  for (const auto& [weight, tree] : model.impl().store.trees())
    if (tree->type.groups.bits > 0) refuse(weight, name(tree->type));
  for (const auto& [weight, dtype] : model.impl().store.stored_types())
    if (is_blocks(dtype)) refuse(weight, std::string(name(dtype)));
}

std::vector<float> weight_values(const Model& model, const std::string& name) {
  const ParameterSpec spec = wide(model.impl().spec(name));
  std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
  model.impl().store.read(spec, std::as_writable_bytes(std::span(values)));
  model.impl().store.require_finite(spec, values);
  return values;
}

StoredWeight weight_from(const ParameterSpec& spec, std::span<const float> values, DType type) {
  const ParameterSpec own = wide(spec);
  std::vector<float> filed(values.size());
  to_file_layout(own, std::as_bytes(values), std::as_writable_bytes(std::span(filed)));
  const TensorType as{spec.shape, type};
  std::vector<std::byte> bytes(static_cast<std::size_t>(as.bytes()));
  narrow(filed, type, bytes);
  return made_weight(as, std::move(bytes));
}

}  // namespace hone
