// A weight as it lies in a mapped file or was made, of any type that programs compute with.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "ir/type.hpp"

namespace hone {

struct SparseWeight;
struct TensorTrain;

// In file layout; blocks, sparse weights and tensor trains have programs' layout in files too.
struct StoredWeight {
  TensorType type;
  std::span<const std::byte> bytes{};
  std::shared_ptr<const void> owner{};  // of the bytes
  bool mapped = true;                   // else made of what a file has, and held
  float add = 0;  // to each value, of what is read in f32: a norm's file may have one more than its weight
  std::shared_ptr<const SparseWeight> sparse{};       // instead of bytes (store/sparse_weight.hpp)
  std::shared_ptr<const TensorTrain> tensor_train{};  // the same of a table (store/tensor_train.hpp)
};
// One that was made, of these bytes.
StoredWeight made_weight(const TensorType& type, std::vector<std::byte> bytes);
// One of which only some elements are kept; its type is the dense weight's.
StoredWeight stored_sparse(std::shared_ptr<const SparseWeight> sparse);
// A table that is kept as a tensor train; its type is the table's.
StoredWeight stored_tensor_train(std::shared_ptr<const TensorTrain> train);

}  // namespace hone
