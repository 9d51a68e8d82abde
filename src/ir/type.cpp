#include "ir/type.hpp"

#include <cassert>

#include "kernel/element.hpp"

namespace hone {

namespace {

struct TypeInfo {
  std::string_view name;
  std::int64_t block_elements, block_bytes;
};

constexpr TypeInfo blocks(std::string_view name, kernel::Element e) {
  return {name, kernel::packing(e).elements, kernel::packing(e).bytes};
}

using kernel::Element;
constexpr std::array<TypeInfo, dtype_count> types{{{"f32", 1, 4},
                                                   {"bf16", 1, 2},
                                                   {"f16", 1, 2},
                                                   {"i32", 1, 4},
                                                   {"u8", 1, 1},
                                                   blocks("q8_0", Element::q8_0),
                                                   blocks("q4_0", Element::q4_0),
                                                   blocks("q4_1", Element::q4_1),
                                                   blocks("q5_0", Element::q5_0),
                                                   blocks("q5_1", Element::q5_1),
                                                   blocks("q2_k", Element::q2_k),
                                                   blocks("q3_k", Element::q3_k),
                                                   blocks("q4_k", Element::q4_k),
                                                   blocks("q5_k", Element::q5_k),
                                                   blocks("q6_k", Element::q6_k),
                                                   blocks("q2_g32", Element::q2_g32),
                                                   blocks("q2_g64", Element::q2_g64),
                                                   blocks("q2_g128", Element::q2_g128),
                                                   blocks("q3_g32", Element::q3_g32),
                                                   blocks("q3_g64", Element::q3_g64),
                                                   blocks("q3_g128", Element::q3_g128),
                                                   blocks("q4_g64", Element::q4_g64),
                                                   blocks("q4_g128", Element::q4_g128),
                                                   blocks("q8_g64", Element::q8_g64),
                                                   blocks("q8_g128", Element::q8_g128)}};

const TypeInfo& info(DType dtype) { return types[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::int64_t size_bytes(DType dtype) {
  assert(!is_blocks(dtype));
  return info(dtype).block_bytes;
}
std::int64_t block_elements(DType dtype) { return info(dtype).block_elements; }
std::int64_t row_bytes(DType dtype, std::int64_t elements) {
  const TypeInfo& t = info(dtype);
  return (elements + t.block_elements - 1) / t.block_elements * t.block_bytes;
}
std::string_view name(DType dtype) { return info(dtype).name; }

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

std::int64_t TensorType::bytes() const {
  return is_blocks(dtype) ? shape.rows() * row_bytes(dtype, shape.last())
                          : shape.elements() * size_bytes(dtype);
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
