// A table that is kept as a tensor train (kernel/tensor_train.hpp), as a tree of components: its cores,
// NAME.core0, NAME.core1, .. [rows,left,columns,right]. Whoever reads NAME itself has the table, each row
// rounded to its type, which is that of the cores too.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "op/core_shapes.hpp"
#include "store/weight_tree.hpp"

namespace hone {

constexpr WeightType tensor_train_of(DType dtype) { return {.dtype = dtype, .tensor_train = true}; }
// Of a table [V,C], `shape`, the first core first.
std::shared_ptr<const WeightTree> tensor_train(const Shape& shape, DType dtype,
                                               std::vector<StoredWeight> cores);
// Rows from `first` on, so many as `values` has, rounded to the table's type and in f32.
void expand_rows(const WeightTree& train, std::int64_t first, std::span<float> values);
void expand_tensor_train(const WeightTree& train, std::span<std::byte> dense);

CoreIndex core_index(const WeightTree& train);
CoreIndices core_indices(const WeightTrees& trees);

}  // namespace hone
