// Values of a floating type as bytes: to f32 and back, and whether all are finite. Not for bound loops.
#pragma once
#include <cstddef>
#include <span>

#include "ir/type.hpp"
#include "kernel/element.hpp"

namespace hone {

kernel::Element element_of(DType dtype);  // of a floating type, or of blocks

void widen(std::span<const std::byte> from, const TensorType& type, std::span<float> to);  // blocks too
void widen(std::span<const std::byte> from, DType dtype, std::span<float> to);
void narrow(std::span<const float> from, DType dtype, std::span<std::byte> to);  // to nearest even
bool all_finite(std::span<const std::byte> values, DType dtype);  // true for types of whole numbers

}  // namespace hone
