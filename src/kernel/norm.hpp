// Normalisation over the last axis: about the mean (layer normalisation, Ba et al., 2016), or about zero
// (root mean square, Zhang & Sennrich, 2019). With its gradient comes the sum that follows it, with the bits
// of a separate Add.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// y = (x - mean) rstd gamma + beta; about zero: y = x rstd (offset + gamma).
struct Norm {
  std::int64_t rows = 0, C = 0;
  const float* x = nullptr;      // [rows,C]
  const float* gamma = nullptr;  // [C]
  const float* beta = nullptr;   // [C]; null: about zero
  float epsilon = 1e-5f;
  float offset = 0;       // about zero
  Out y;                  // [rows,C]
  float* mean = nullptr;  // [rows]; null: about zero
  float* rstd = nullptr;  // [rows] 1 / sqrt(variance + epsilon); about zero, of the mean square
};

struct NormGradient {
  std::int64_t sequences = 0, positions = 0, C = 0;  // rows = sequences * positions
  In dy;                                             // [rows,C]
  const float* x = nullptr;                          // what was normalised
  const float* gamma = nullptr;
  const float* mean = nullptr;  // null: about zero
  const float* rstd = nullptr;
  float offset = 0;               // as in Norm
  const float* addend = nullptr;  // [rows,C] or null: dx = addend + the norm's gradient; may be dx
  float* dx = nullptr;            // [rows,C]
  // [C]; each a sum over pieces in order, a piece (at most piece_positions of one sequence) summed from zero.
  float* dgamma = nullptr;
  float* dbeta = nullptr;   // null: about zero
  bool accumulate = false;  // add to dgamma and dbeta instead of writing them
  bool sums = true;         // else dx alone, of a norm that is frozen
};

// Partial sums of 64 pieces (or four a thread) at a time; none where pieces are fewer than two a thread, for
// then the columns are shared out instead. The result has the same bits either way.
std::int64_t scratch_bytes(const NormGradient&, int threads);

void run(const Norm&, Isa, ThreadPool&);
void run(const NormGradient&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
