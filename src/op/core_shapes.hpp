// The cores of a table that is kept as a tensor train (kernel/tensor_train.hpp), as tensors: each
// [rows,left,columns,right].
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/type.hpp"

namespace hone {

// A train as programs are told of it.
struct CoreIndex {
  DType dtype = DType::f32;  // of the table, to which its rows are rounded, and of the cores
  std::vector<Shape> cores{};
  std::int64_t columns() const;  // C
  // The form of a product of two matrices, [V,r] and [r,C]: all rows in the first, all columns in the second.
  bool is_low_rank() const;
};
using CoreIndices = std::map<std::string, CoreIndex>;  // by the table's name

std::string core_name(std::size_t number);  // "core0"

// What is wrong with these as the cores of a table of that shape; nothing where it is sound.
std::string flaw_of_cores(const std::vector<Shape>& cores, const Shape& table);

}  // namespace hone
