// A table that is kept as a tensor train (kernel/tensor_train.hpp), as a tree of components: its cores, each
// a tensor of its own in a folder's files, NAME.core0, NAME.core1, .. [rows,left,columns,right], and maybe a
// parameter of a program. Whoever reads NAME itself has the table, each row rounded to its type.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "op/core_shapes.hpp"
#include "store/stored_weight.hpp"

namespace hone {

struct TensorTrain {
  Shape shape;               // [V,C], of the table
  DType dtype = DType::f32;  // of the table and of its cores
  std::vector<StoredWeight> cores{};

  std::int64_t bytes() const;
  const StoredWeight* find(std::string_view part) const;  // "core0"
  CoreIndex index() const;
};

// Rows from `first` on, so many as `values` has, rounded to the table's type and in f32.
void expand_rows(const TensorTrain& train, std::int64_t first, std::span<float> values);
// The whole table in its type.
void expand_tensor_train(const TensorTrain& train, std::span<std::byte> dense);

CoreIndices core_indices(const std::map<std::string, std::shared_ptr<const TensorTrain>>& trains);

}  // namespace hone
