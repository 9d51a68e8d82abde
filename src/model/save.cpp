// Models out: their hash, what they are known by, and folders of them.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/weight_types.hpp"
#include "model/model_impl.hpp"
#include "store/save_weights.hpp"
#include "store/weight_tree.hpp"

namespace hone {
namespace {

WeightReader reader_of(const Model::Impl& model, std::vector<std::byte>& buffer) {
  return [&model, &buffer](const ParameterSpec& spec) -> std::span<const std::byte> {
    buffer.resize(static_cast<std::size_t>(TensorType{spec.shape, spec.dtype}.bytes()));
    model.store.read_as_filed(spec, buffer);
    return buffer;
  };
}

// Transformers reads weights in the type that the config names.
void say_f32(nlohmann::ordered_json& config) {
  for (const char* key : {"dtype", "torch_dtype"})
    if (config.contains(key)) config[key] = "float32";
}

}  // namespace

std::string Model::weights_hash() const {
  std::vector<std::byte> buffer;
  return hash_weights(impl_->specs, reader_of(*impl_, buffer));
}

namespace {

WeightType type_in_file(const TensorType& type) {
  const std::int64_t width = type.shape.last();
  return {.dtype = type.dtype, .width = width % block_elements(type.dtype) == 0 ? 0 : width};
}

}  // namespace

std::string Model::identity(std::int64_t longest) const {
  const Program p = impl_->write({.batch = 1, .seq = 1, .longest = longest}).program;
  std::string all = weights_hash() + "\n" + print(p);
  for (const auto& [weight, type] : impl_->store.stored_types())
    all += fmt::format("{} is stored in {}\n", weight, name(type));
  for (const auto& [weight, tree] : impl_->store.trees())
    all += fmt::format("{} is stored in {}\n", weight, name(tree->type));
  Digest digest;
  digest.add(std::as_bytes(std::span(all)));
  for (const TensorDef& t : p.tensors)  // rotary frequencies, which a program does not print
    if (t.values) digest.add(*t.values);
  return digest.hex();
}

bool has_blocks(const Model& model) {
  return std::ranges::any_of(model.impl().store.stored_types(),
                             [](const auto& type) { return is_blocks(type.second); });
}

WeightTypes weight_types_of(const Model& model, const std::vector<ParameterSpec>& filed) {
  WeightTypes types;
  for (const ParameterSpec& spec : filed)
    if (is_blocks(spec.dtype)) types[spec.name] = type_in_file({spec.shape, spec.dtype});
  for (const auto& [name, tree] : model.impl().store.trees())
    if (find_spec(filed, name + "." + tree->parts.front().name)) types[name] = tree->type;
  return types;
}

std::vector<ParameterSpec> kept_weights(const Model& model) {
  if (!has_blocks(model) && model.impl().store.trees().empty()) return model.impl().specs;
  return stored_weights(model);
}

std::vector<ParameterSpec> stored_weights(const Model& model) {
  std::vector<ParameterSpec> specs = model.impl().specs;
  const auto types = model.impl().store.stored_types();
  for (ParameterSpec& spec : specs)
    if (const auto type = types.find(spec.name); type != types.end()) spec.dtype = type->second;
  return specs;
}

std::vector<ParameterSpec> filed_weights(const Model& model, const std::vector<ParameterSpec>& weights) {
  const WeightTrees trees = model.impl().store.trees();
  std::vector<ParameterSpec> filed;
  for (const ParameterSpec& spec : weights) {
    const auto tree = trees.find(spec.name);
    if (tree == trees.end() || tree->second->type.dtype != spec.dtype) {
      filed.push_back(spec);
      continue;
    }
    for (const auto& [part, weight] : tree->second->parts)
      filed.push_back({.name = spec.name + "." + part,
                       .shape = weight.type.shape,
                       .trained = false,
                       .dtype = weight.type.dtype});
  }
  return filed;
}

void Model::save(const std::string& folder, const SaveOptions& options) const {
  const MadeFolders made(folder);
  std::vector<std::byte> buffer;
  save_folder(*this, folder, filed_weights(*this, kept_weights(*this)), reader_of(*impl_, buffer), options);
}

void save_folder(const Model& model, const std::string& folder, const std::vector<ParameterSpec>& filed,
                 const WeightReader& read, const SaveOptions& options) {
  const Model::Impl& impl = model.impl();
  if (impl.adapter)
    written_weights(folder + "/" + impl.weights_file(), impl.saved(filed), read).commit();
  else
    save_weights(folder, filed, read, options.max_shard_bytes);
  write_file(folder + "/" + impl.config_file(), saved_config(model, filed));
}

std::string saved_config(const Model& model, const std::vector<ParameterSpec>& filed) {
  if (model.impl().adapter) return model.impl().adapter->config;
  auto config = nlohmann::ordered_json::parse(model.config_json());
  const auto before = config;
  const WeightTypes types = weight_types_of(model, filed);
  if (types.empty()) say_f32(config);
  add_weight_types(config, types);
  return config == before ? model.config_json() : config.dump(2) + "\n";
}

}  // namespace hone
