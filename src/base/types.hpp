// The numeric types that C++20 lacks, and their conversions. Kernel files compiled per instruction set have
// their own vector versions (kernel/isa/simd.hpp); these scalar ones are for references, files and tests.
#pragma once
#include <bit>
#include <cstdint>

namespace hone {

// The upper half of an f32. Conversion rounds to nearest, ties to even; NaN stays NaN.
struct bf16 {
  std::uint16_t bits;
};

inline float to_f32(bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

inline bf16 to_bf16(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>((u >> 16) | 0x40u)};
  return {static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

// IEEE 754 half. Conversion to it rounds to nearest even, overflows to infinity, keeps denormals; NaN becomes
// a quiet one, both ways, as in F16C.
struct f16 {
  std::uint16_t bits;
};

float to_f32(f16 x);
f16 to_f16(float x);

}  // namespace hone
