// The cases of every op: input types, attributes, how inputs are filled. An op without cases fails op_test.
#pragma once
#include "op/operands.hpp"

namespace hone {

// Each adds to `cases` for products in `dtype`; ops that compute in f32 alone add theirs for f32 only.
void add_row_cases(DType dtype, std::vector<OpCase>& cases);     // norms, sums, embeddings, losses, updates
void add_linear_cases(DType dtype, std::vector<OpCase>& cases);  // products and their gradients
void add_coded_cases(DType dtype, std::vector<OpCase>& cases);   // products in whole numbers
void add_block_cases(DType dtype, std::vector<OpCase>& cases);   // products with what is kept in blocks
void add_int8_cases(DType dtype, std::vector<OpCase>& cases);    // both sides in eight bits
void add_optimizer_cases(std::vector<OpCase>& cases);
void add_attention_cases(DType dtype, std::vector<OpCase>& cases);  // with and without a cache

// What an op that takes `dtype` may write.
inline std::vector<DType> results_of(DType dtype) {
  if (dtype == DType::f32) return {DType::f32, DType::bf16, DType::f16};
  return {DType::f32, dtype};
}

inline const Input none{};  // an optional input that is left out

inline Input step(std::int32_t micro, std::int32_t first_sample = 0) {
  return {op::step_type(),
          given({12345, -678, static_cast<double>(first_sample), static_cast<double>(micro)})};
}
// A sum that a micro-batch continues, or starts over what an earlier step left.
inline Input sum(const Shape& shape) { return {op::f32(shape)}; }

// So many normal numbers.
inline std::vector<float> drawn(Stream& stream, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& x : values) x = stream.normal();
  return values;
}

}  // namespace hone
