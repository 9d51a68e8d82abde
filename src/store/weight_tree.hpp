// A weight that is kept as a tree of components: each a tensor of its own in a folder's files,
// NAME.COMPONENT, and maybe a parameter of a program. Whoever reads NAME itself has the whole weight.
//
//   for (const auto& [name, tree] : store.trees())
//     for (const TreePart& part : tree->parts) use(name + "." + part.name, part.weight.bytes);
//
// The kinds of them: elements that are not zero (store/sparse_weight.hpp), a table's cores
// (store/tensor_train.hpp), codes in groups for which no type of blocks is made (store/grouped_codes.hpp).
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/weight_types.hpp"
#include "store/stored_weight.hpp"

namespace hone {

struct TreePart {
  std::string name;
  StoredWeight weight;
};

struct WeightTree {
  WeightType type;  // the kind, and in type.dtype what the whole weight is expanded to
  Shape shape;      // of the whole weight, rows as programs have them
  std::vector<TreePart> parts;
  std::int64_t kept = 0;  // of a sparse one: columns of rows of blocks

  std::int64_t bytes() const;
  const StoredWeight* find(std::string_view part) const;
};
using WeightTrees = std::map<std::string, std::shared_ptr<const WeightTree>>;  // by the weight's name

// A weight that is this tree; its type is the whole weight's.
StoredWeight stored_tree(std::shared_ptr<const WeightTree> tree);
// The whole weight in its type.
void expand_tree(const WeightTree& tree, std::span<std::byte> whole);

}  // namespace hone
