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

namespace {

[[noreturn]] void refuse(const CodedRefusal& refusal, const std::string& weight, const std::string& type) {
  throw Error(ErrorKind::input, {.what = refusal.what,
                                 .where = "weight " + weight,
                                 .expected = "weights in f32, bf16 or f16",
                                 .found = type,
                                 .hint = refusal.hint});
}

}  // namespace

std::map<std::string, std::string> coded_types(const Model& model) {
  std::map<std::string, std::string> coded;
  for (const auto& [weight, dtype] : model.impl().store.stored_types())
    if (is_blocks(dtype)) coded[weight] = name(dtype);
  for (const auto& [weight, tree] : model.impl().store.trees())
    if (tree->type.groups.bits > 0) coded[weight] = name(tree->type);
  return coded;
}

void require_floating(const Model& model, const CodedRefusal& refusal) {
  for (const auto& [weight, type] : coded_types(model)) refuse(refusal, weight, type);
}

void require_floating(const Model& model, const std::string& weight, const CodedRefusal& refusal) {
  const auto coded = coded_types(model);
  if (const auto found = coded.find(weight); found != coded.end()) refuse(refusal, weight, found->second);
}

std::vector<float> weight_values(const Model& model, const std::string& name) {
  const ParameterSpec spec = wide(model.impl().spec(name));
  std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
  model.impl().store.read(spec, std::as_writable_bytes(std::span(values)));
  model.impl().store.require_finite(spec, values);
  return values;
}

void require_finite(const Model& model) {
  for (const ParameterSpec& spec : model.impl().specs)
    if (is_floating(spec.dtype)) weight_values(model, spec.name);
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
