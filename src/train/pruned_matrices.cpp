#include "train/pruned_matrices.hpp"

#include <algorithm>

#include "ir/values.hpp"
#include "model/adapter.hpp"
#include "model/model_impl.hpp"
#include "store/sparse_weight.hpp"

namespace hone {

std::vector<std::string> pruned_matrices(const Model& model) {
  std::vector<std::string> names;
  for (const LinearModule& module : modules_of(model))
    if (!module.head) names.push_back(module.name + ".weight");
  return names;
}

std::int64_t pruning_bytes(const Model& model) {
  std::int64_t most = 0;
  for (const std::string& name : pruned_matrices(model)) most = std::max(most, model.size(name));
  // An element's score, its place among the sorted, its mark; of 2:4, the places and scores of the lesser
  // half besides, in vectors that grow.
  constexpr std::int64_t element_bytes = sizeof(float) + 2 * sizeof(std::int64_t) + 2 + sizeof(float);
  return most * element_bytes;
}

double share_of_zeros(const Model& model) {
  const WeightStore& store = model.impl().store;
  const WeightTrees trees = store.trees();
  double zeros = 0, all = 0;
  std::vector<float> values;
  for (const std::string& name : pruned_matrices(model)) {
    const ParameterSpec& spec = model.impl().spec(name);
    const auto count = static_cast<double>(spec.shape.elements());
    all += count;
    if (const auto tree = trees.find(name); tree != trees.end() && tree->second->type.sparse) {
      zeros += count * (1 - kept_share(*tree->second));
      continue;
    }
    values.resize(static_cast<std::size_t>(spec.shape.elements()));
    store.read_file_layout(spec, values);
    zeros += static_cast<double>(std::ranges::count(values, 0.0f));
  }
  return all > 0 ? zeros / all : 0;
}

}  // namespace hone
