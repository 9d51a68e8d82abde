#include "ir/type.hpp"

#include <cassert>

namespace hone {

std::int64_t size_bytes(DType dtype) {
  constexpr std::array<std::int64_t, 5> sizes{4, 2, 2, 4, 1};
  return sizes[static_cast<std::size_t>(dtype)];
}

std::string_view name(DType dtype) {
  constexpr std::array<std::string_view, 5> names{"f32", "bf16", "f16", "i32", "u8"};
  return names[static_cast<std::size_t>(dtype)];
}

bool is_floating(DType dtype) { return dtype <= DType::f16; }

DType dtype_of(Precision precision) {
  constexpr std::array dtypes{DType::f32, DType::bf16, DType::f16};
  return dtypes[static_cast<std::size_t>(precision)];
}

Shape::Shape(std::initializer_list<std::int64_t> sizes) {
  for (const auto size : sizes) push_back(size);
}

void Shape::push_back(std::int64_t size) {
  assert(rank_ < max_rank);
  sizes_[static_cast<std::size_t>(rank_++)] = size;
}

std::vector<std::int64_t> Shape::sizes() const { return {sizes_.begin(), sizes_.begin() + rank_}; }

std::int64_t Shape::elements() const {
  std::int64_t n = 1;
  for (int axis = 0; axis < rank_; ++axis) n *= (*this)[axis];
  return n;
}

Shape Shape::with_last(std::int64_t size) const {
  Shape s = *this;
  s[rank_ - 1] = size;
  return s;
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (int axis = 0; axis < shape.rank(); ++axis) s += (axis ? "," : "") + std::to_string(shape[axis]);
  return s + "]";
}

std::string to_string(const TensorType& type) {
  return std::string(name(type.dtype)) + to_string(type.shape);
}

}  // namespace hone
