// Element types, shapes and strides of tensors.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "hone/precision.hpp"

namespace hone {

// The types behind u8 are blocks of quantized weights (kernel/blocks.hpp), ggml's and hone's own: so many
// elements of a row in so many bytes. Only rows are divided into blocks, whose last one is filled up where
// the width is no multiple of them; and what has such a type is whole, without gaps, and only read.
enum class DType : std::uint8_t {
  f32,
  bf16,
  f16,
  i32,
  u8,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q2_g32,
  q2_g64,
  q2_g128,
  q3_g32,
  q3_g64,
  q3_g128,
  q4_g64,
  q4_g128,
  q8_g64,
  q8_g128
};
inline constexpr std::size_t dtype_count = 25;

std::int64_t size_bytes(DType dtype);                        // of an element; not of a type of blocks
std::int64_t block_elements(DType dtype);                    // 1 of all others
std::int64_t row_bytes(DType dtype, std::int64_t elements);  // with what fills up its last block
std::string_view name(DType dtype);
bool is_floating(DType dtype);
constexpr bool is_blocks(DType dtype) { return dtype >= DType::q8_0; }
DType dtype_of(Precision precision);  // of a job's products

// Up to six sizes, outermost first. Also used for strides (in elements).
class Shape {
 public:
  static constexpr int max_rank = 6;
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis)]; }
  std::int64_t& operator[](int axis) { return sizes_[static_cast<std::size_t>(axis)]; }
  std::int64_t last() const { return (*this)[rank_ - 1]; }
  std::int64_t elements() const;
  std::int64_t rows() const { return rank_ == 0 ? 1 : elements() / last(); }  // product of all but the last
  std::vector<std::int64_t> sizes() const;
  void push_back(std::int64_t size);
  Shape with_last(std::int64_t size) const;
  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, max_rank> sizes_{};
  int rank_ = 0;
};

Shape contiguous_strides(const Shape& shape);
std::string to_string(const Shape& shape);  // [4,256,768]

struct TensorType {
  Shape shape;
  DType dtype = DType::f32;
  std::int64_t bytes() const;
  bool operator==(const TensorType&) const = default;
};

std::string to_string(const TensorType& type);  // bf16[4,256,768]

}  // namespace hone
