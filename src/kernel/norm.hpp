// Layer normalisation (Ba et al., 2016) over the last axis, with the residual sum that precedes it and the
// one that follows its gradient. Either sum has the bits of a separate Add.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

struct LayerNorm {
  std::int64_t rows = 0, C = 0;
  const float* x = nullptr;      // [rows,C]
  In addend;                     // [rows,C] or null: the row is x + addend, kept in `sum`
  float* sum = nullptr;          // [rows,C] when addend is set; may be x
  const float* gamma = nullptr;  // [C]
  const float* beta = nullptr;   // [C]
  float epsilon = 1e-5f;
  Out y;                  // [rows,C]
  float* mean = nullptr;  // [rows]
  float* rstd = nullptr;  // [rows] 1 / sqrt(variance + epsilon)
};

struct LayerNormGradient {
  std::int64_t sequences = 0, positions = 0, C = 0;  // rows = sequences * positions
  In dy;                                             // [rows,C]
  const float* x = nullptr;                          // what was normalised
  const float* gamma = nullptr;
  const float* mean = nullptr;
  const float* rstd = nullptr;
  const float* addend = nullptr;  // [rows,C] or null: dx = addend + the norm's gradient; may be dx
  float* dx = nullptr;            // [rows,C]
  // [C]; each a sum over pieces in order, a piece (at most piece_positions of one sequence) summed from zero.
  float* dgamma = nullptr;
  float* dbeta = nullptr;
  bool accumulate = false;  // add to dgamma and dbeta instead of writing them
};

// Partial sums of 64 pieces (or four a thread) at a time; none where pieces are fewer than two a thread, for
// then the columns are shared out instead. The result has the same bits either way.
std::int64_t scratch_bytes(const LayerNormGradient&, int threads);

void run(const LayerNorm&, Isa, ThreadPool&);
void run(const LayerNormGradient&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
