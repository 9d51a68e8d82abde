// The numbers of a mapped tensor as f32.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "file/weight_files.hpp"
#include "op/builder_state.hpp"

namespace hone {

// The type that the file has it in, where programs compute with it.
std::optional<DType> dtype_of_file(const MappedTensor& tensor);
// Error(input) for a tensor that is not the weight's shape, or of a type that is not read.
void require_fit(const MappedTensor& tensor, const ParameterSpec& spec);
// Values from `first` on, in the file's order.
void read_f32(const MappedTensor& tensor, std::int64_t first, std::span<float> values);
// Do both hold the same numbers, in the same shape? In little memory.
bool same_values(const MappedTensor& a, const MappedTensor& b);

}  // namespace hone
