// A weight as it lies in a mapped file or was made, of any type that programs compute with.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "ir/type.hpp"

namespace hone {

struct WeightTree;

// In file layout; blocks and trees have programs' layout in files too.
struct StoredWeight {
  TensorType type;
  std::span<const std::byte> bytes{};
  std::shared_ptr<const void> owner{};  // of the bytes
  bool mapped = true;                   // else made of what a file has, and held
  float add = 0;  // to each value, of what is read in f32: a norm's file may have one more than its weight
  std::shared_ptr<const WeightTree> tree{};  // instead of bytes (store/weight_tree.hpp)
};
// One that was made, of these bytes.
StoredWeight made_weight(const TensorType& type, std::vector<std::byte> bytes);

}  // namespace hone
