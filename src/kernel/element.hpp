// Pointers to elements whose type is known at run time, for the argument structs of kernels.
#pragma once
#include <cstdint>

namespace hone::kernel {

// The element types that kernels compute with, and behind them those of weights that are only read: blocks
// (kernel/blocks.hpp), ggml's, then hone's own: codes of so many bits in groups of so many.
enum class Element : std::uint8_t {
  f32,
  bf16,
  f16,
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
constexpr int element_types = 3;  // that are computed with
constexpr int block_types = 20;

struct Packing {
  std::int64_t elements, bytes;  // of a block, or of one element
};
constexpr Packing packing(Element e) {
  constexpr Packing packings[] = {{1, 4},     {1, 2},   {1, 2},    {32, 34},   {32, 18},   {32, 20},
                                  {32, 22},   {32, 24}, {256, 84}, {256, 110}, {256, 144}, {256, 176},
                                  {256, 210}, {32, 12}, {64, 20},  {128, 36},  {32, 16},   {64, 28},
                                  {128, 52},  {64, 36}, {128, 68}, {64, 66},   {128, 130}};
  return packings[static_cast<int>(e)];
}

constexpr bool is_blocks(Element e) { return e >= Element::q8_0; }
constexpr std::int64_t bytes(Element e) { return e == Element::f32 ? 4 : 2; }  // not of blocks

// A row has whole blocks: where it is no multiple of them its last one is filled up, with elements that
// nobody asks for.
constexpr std::int64_t blocks_of_row(Element e, std::int64_t elements) {
  return (elements + packing(e).elements - 1) / packing(e).elements;
}
constexpr std::int64_t row_bytes(Element e, std::int64_t elements) {
  return blocks_of_row(e, elements) * packing(e).bytes;
}
constexpr std::int64_t filled_up(Element e, std::int64_t elements) {
  return blocks_of_row(e, elements) * packing(e).elements;
}

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
