// Dense matrix products on hone's own thread pool: C = A B with an epilogue, and the weight gradient.
//
// Every element of a result is one chain of multiply-adds over k in order, so it has the same bits for any
// number of rows computed with it, any tiling and any number of threads. Operands stay in their plain layout;
// panels are packed into a worker's scratch while they are used (doc/gemm.md says why, with figures).
// Narrow operands accumulate in f32. f16, and bf16 without AVX-512 BF16, is widened to f32 while packed.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// C[M,N] = epilogue(A[M,K] * B[K,N]). Strides count elements from one row to the next; of blocks, a row's
// elements.
struct Gemm {
  std::int64_t M = 0, N = 0, K = 0;
  In a;  // [M,K]
  std::int64_t a_stride = 0;
  In b;  // [K,N], or [N,K] when b_transposed; of any type: where it is not a's, expanded while packed
  std::int64_t b_stride = 0;
  bool b_transposed = false;
  Out c;  // [M,N]
  std::int64_t c_stride = 0;

  // Epilogue, in this order, each value rounded to the type it is stored in before the next step reads it:
  const float* bias = nullptr;     // [N]: s = product + bias, then rounded to `rounded`
  Element rounded = Element::f32;  // the type that s is rounded to before what follows (a node's output type)
  //   activation, forward: c = s, activated = act(s) in c's type
  Activation activation = Activation::none;
  void* activated = nullptr;  // [M,N], c's type and stride; when set c may be null (s is not kept)
  //   activation, backward: c = s * act'(pre)
  const void* pre = nullptr;  // [M,N], type c.type, stride c_stride
  //   residual: c = residual + s; c is f32
  const float* residual = nullptr;  // [M,N], stride c_stride; may be c itself
};

// dW[N,K] (+)= sum over positions of dY[p,N]^T X[p,K]. A piece is at most piece_positions positions of one
// sequence and is summed from zero in f32; pieces are added to dW in order, each sum rounded to dW's type. So
// the result is the same for any split of the sequences into calls.
struct WeightGradient {
  std::int64_t sequences = 0, positions = 0;  // rows = sequences * positions
  std::int64_t N = 0, K = 0;
  In dy;  // [rows,N]
  std::int64_t dy_stride = 0;
  In x;  // [rows,K], same type as dy
  std::int64_t x_stride = 0;
  Out dw;                   // [N,K] contiguous, f32 or bf16
  bool accumulate = false;  // false: the first piece is written, not added (as if to a zero)
};

// Bytes of scratch (64-byte aligned) that a call needs with so many threads.
std::int64_t scratch_bytes(const Gemm&, Isa, int threads);
std::int64_t scratch_bytes(const WeightGradient&, Isa, int threads);

void run(const Gemm&, Isa, ThreadPool&, void* scratch);
void run(const WeightGradient&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
