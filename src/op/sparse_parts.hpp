// The components of a weight of which only some elements are kept (kernel/sparse.hpp), as tensors.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ir/type.hpp"
#include "kernel/sparse.hpp"

namespace hone {

// A sparse weight as programs are told of it.
struct SparseIndex {
  kernel::SparseForm form = kernel::SparseForm::bitmap;
  std::int64_t block_rows = 1;  // of blocks; else 1
  DType dtype = DType::f32;     // of the dense weight: a floating type, or codes about zero
  std::int64_t kept = 0;        // columns of rows of blocks
  bool pairs = false;           // does the machine that runs it multiply pairs of bf16?

  kernel::SparseFormat format() const;
};

using SparseIndices = std::map<std::string, SparseIndex>;  // by the weight's name

struct SparsePartType {
  std::string name;  // mask u8[rows of blocks, ceil(K / 8)], or columns u8[kept, 2] and row_starts i32[N +
                     // 1]; values [kept, block_rows], codes as u8, of four bits u8[half as many]; scales
                     // f16[N, K / group] of codes
  TensorType type;
};
std::vector<SparsePartType> sparse_part_types(const SparseIndex& index, const Shape& shape);

}  // namespace hone
