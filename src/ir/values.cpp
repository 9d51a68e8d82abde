#include "ir/values.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "base/types.hpp"
#include "kernel/blocks.hpp"

namespace hone {
namespace {

template <class T>
std::span<const T> of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}
template <class T>
std::span<T> of(std::span<std::byte> bytes) {
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

kernel::Element element_of(DType dtype) {
  using kernel::Element;
  if (is_blocks(dtype))  // in the same order
    return static_cast<Element>(static_cast<int>(Element::q8_0) + static_cast<int>(dtype) -
                                static_cast<int>(DType::q8_0));
  assert(is_floating(dtype));
  constexpr std::array elements{Element::f32, Element::bf16, Element::f16};
  return elements[static_cast<std::size_t>(dtype)];
}

void widen(std::span<const std::byte> from, const TensorType& type, std::span<float> to) {
  if (!is_blocks(type.dtype)) return widen(from, type.dtype, to);
  const auto columns = static_cast<std::size_t>(type.shape.last()),
             row = static_cast<std::size_t>(row_bytes(type.dtype, type.shape.last()));
  for (std::size_t r = 0; r < to.size() / columns; ++r)
    kernel::expand({from.data() + r * row, element_of(type.dtype)}, to.subspan(r * columns, columns));
}

void widen(std::span<const std::byte> from, DType dtype, std::span<float> to) {
  assert(is_floating(dtype));
  const auto wide = [](auto x) { return to_f32(x); };
  if (dtype == DType::bf16)
    std::ranges::transform(of<bf16>(from), to.begin(), wide);
  else if (dtype == DType::f16)
    std::ranges::transform(of<f16>(from), to.begin(), wide);
  else
    std::ranges::copy(of<float>(from), to.begin());
}

void narrow(std::span<const float> from, DType dtype, std::span<std::byte> to) {
  if (dtype == DType::bf16)
    std::ranges::transform(from, of<bf16>(to).begin(), to_bf16);
  else if (dtype == DType::f16)
    std::ranges::transform(from, of<f16>(to).begin(), to_f16);
  else
    std::ranges::copy(from, of<float>(to).begin());
}

// Infinities and NaN have all bits of the exponent.
bool all_finite(std::span<const std::byte> values, DType dtype) {
  if (dtype == DType::f32)
    return std::ranges::all_of(of<float>(values), [](float x) { return std::isfinite(x); });
  if (!is_floating(dtype)) return true;
  const unsigned exponent = dtype == DType::bf16 ? 0x7f80u : 0x7c00u;
  return std::ranges::all_of(of<std::uint16_t>(values),
                             [&](std::uint16_t bits) { return (bits & exponent) != exponent; });
}

}  // namespace hone
