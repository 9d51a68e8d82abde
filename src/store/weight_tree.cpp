#include "store/weight_tree.hpp"

#include <algorithm>

#include "store/grouped_codes.hpp"
#include "store/sparse_weight.hpp"
#include "store/tensor_train.hpp"

namespace hone {

std::int64_t WeightTree::bytes() const {
  std::int64_t all = 0;
  for (const TreePart& part : parts) all += part.weight.type.bytes();
  return all;
}

const StoredWeight* WeightTree::find(std::string_view part) const {
  const auto found = std::ranges::find(parts, part, &TreePart::name);
  return found == parts.end() ? nullptr : &found->weight;
}

StoredWeight stored_tree(std::shared_ptr<const WeightTree> tree) {
  StoredWeight weight{.type = {tree->shape, tree->type.dtype}, .mapped = false};
  weight.tree = std::move(tree);
  return weight;
}

void expand_tree(const WeightTree& tree, std::span<std::byte> whole) {
  if (tree.type.sparse) return expand_sparse(tree, whole);
  if (tree.type.tensor_train) return expand_tensor_train(tree, whole);
  expand_grouped(tree, whole);
}

}  // namespace hone
