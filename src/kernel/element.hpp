// Pointers to elements whose type is known at run time, for the argument structs of kernels.
#pragma once
#include <cstdint>

namespace hone::kernel {

// The element types that the training kernels compute with.
enum class Element : std::uint8_t { f32, bf16, f16 };
constexpr int element_types = 3;

constexpr std::int64_t bytes(Element e) { return e == Element::f32 ? 4 : 2; }

struct In {  // read only
  const void* data = nullptr;
  Element type = Element::f32;
};
struct Out {
  void* data = nullptr;
  Element type = Element::f32;
};

// The leaf of every sum over positions: at most this many positions of one sequence, added from zero.
constexpr std::int64_t piece_positions = 256;

enum class Activation : std::uint8_t { none, relu, gelu_new, gelu, silu };  // gelu_new: tanh form; gelu: erf

}  // namespace hone::kernel
