// Weights for those who only read them: where they lie, or in memory.
#include "store/weight_store.hpp"

#include "file/mapped.hpp"
#include "store/mapped_values.hpp"
#include "store/weight_tree.hpp"

namespace hone {

StoredWeight made_weight(const TensorType& type, std::vector<std::byte> bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {.type = type, .bytes = *owner, .owner = owner, .mapped = false};
}

WeightStore WeightStore::with_stored(std::map<std::string, StoredWeight> weights, const std::string& path,
                                     std::int64_t beside_bytes) const {
  WeightStore store = *this;
  store.held_ = std::make_shared<Held>();  // what is held of this one's weights is not of these
  for (const auto& named : weights) store.tensors_.erase(named.first);
  weights.merge(store.stored_);  // those that it has no others for
  store.stored_ = std::move(weights);
  if (!path.empty()) store.path_ = path;
  store.beside_bytes_ += beside_bytes;
  return store;
}

const StoredWeight* WeightStore::find_stored(const std::string& name) const {
  if (const auto found = stored_.find(name); found != stored_.end()) return &found->second;
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return nullptr;
  const auto whole = stored_.find(name.substr(0, dot));
  if (whole == stored_.end()) return nullptr;
  const WeightTree* tree = whole->second.tree.get();
  return tree ? tree->find(std::string_view(name).substr(dot + 1)) : nullptr;
}

WeightTrees WeightStore::trees() const {
  WeightTrees all;
  for (const auto& [name, weight] : stored_)
    if (weight.tree) all[name] = weight.tree;
  return all;
}

std::map<std::string, DType> WeightStore::stored_types() const {
  std::map<std::string, DType> types;
  for (const auto& [name, weight] : stored_) {
    if (weight.type.dtype == DType::f32) continue;
    types[name] = weight.type.dtype;
    if (weight.tree && weight.tree->type.tensor_train)
      for (const TreePart& core : weight.tree->parts) types[name + "." + core.name] = weight.type.dtype;
  }
  for (const auto& [name, tensor] : tensors_)
    if (const auto type = dtype_of_file(tensor); type && *type != DType::f32) types[name] = *type;
  return types;
}

namespace {

// As the file has it is as a program wants it.
bool is_as_stored(const StoredWeight& weight, const ParameterSpec& spec) {
  return weight.type.dtype == spec.dtype && !is_turned(spec) && weight.add == 0.0f && !weight.tree;
}

}  // namespace

bool WeightStore::is_mapped(const ParameterSpec& spec) const {
  const StoredWeight* found = find_stored(spec.name);
  return found && found->mapped && is_as_stored(*found, spec);
}

bool WeightStore::is_in_place(const ParameterSpec& spec) const {
  const StoredWeight* found = find_stored(spec.name);
  return found && is_as_stored(*found, spec);
}

void WeightStore::drop(const ParameterSpec& spec) const {
  if (is_mapped(spec)) drop_whole_pages(find_stored(spec.name)->bytes);
}

std::shared_ptr<const HeldWeight> WeightStore::hold(const ParameterSpec& spec) const {
  if (const StoredWeight* found = find_stored(spec.name); found && is_as_stored(*found, spec))
    return std::make_shared<const HeldWeight>(found->bytes, found->owner);
  return hold(spec.name, spec.dtype == DType::f32 ? "" : std::string(name(spec.dtype)),
              TensorType{spec.shape, spec.dtype}.bytes(),
              [&](const HeldWeight& made) { read(spec, made.bytes()); });
}

WeightStore::Held& WeightStore::held_of(const std::string& weight) const {
  return more_ && more_->values.contains(weight) ? more_->held : *held_;
}

std::shared_ptr<const HeldWeight> WeightStore::hold(const std::string& weight, const std::string& encoding,
                                                    std::int64_t bytes, const Make& make) const {
  Held& held = held_of(weight);
  const std::lock_guard guard(held.lock);
  auto& known = held.weights[{weight, encoding}];
  if (auto there = known.lock()) return there;
  auto made = std::make_shared<const HeldWeight>(bytes);
  make(*made);
  known = made;
  return made;
}

}  // namespace hone
