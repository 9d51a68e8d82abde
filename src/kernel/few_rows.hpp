// The product of a few rows with a weight, at the speed of reading the weight once: a token being decoded.
//
// Gemm's panels (kernel/gemm.hpp) cost more than they bring here: packing touches 16 rows of the weight at a
// time, which the hardware does not fetch ahead. These loops read rows of the weight from end to end. So a
// sum over k is split over a vector's lanes: its shape follows K alone, not M, N or threads, but it is not
// Gemm's chain, and the bits are other ones. Training programs keep to Gemm (doc/engine.md).
//
// A weight is read in its own type. Where that is blocks, rows of A are first coded in eight bits, as ggml
// does (Q8_0, but with scales in f32), and products of codes add up in whole numbers.
#pragma once
#include "kernel/gemm.hpp"

namespace hone::kernel {

// C = epilogue(A B^T) for any M; pays up to `most_few_rows`. The Gemm is one with b_transposed and no
// backward.
struct FewRows {
  Gemm product;
};
constexpr std::int64_t most_few_rows = 4;

std::int64_t scratch_bytes(const FewRows&);  // 0 where A and B are of one type
void run(const FewRows&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
