// Rows of logits against a teacher's distribution beside labels (Hinton et al., 2015): what stands beside
// cross_entropy.hpp, of which the conditions on labels and logits hold here too.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// Of the V classes `known` are known one by one, each once and in any order; p are their masses and r that of
// all others together, each divided by the sum of
// all. With y = logits / temperature, q = softmax(y), Q the sum of q over the
// others:
//   divergence = sum of p log(p / q) over the known classes + r log(r / Q)
struct SoftTargets {
  std::int64_t rows = 0, V = 0, known = 0;
  In logits;  // [rows,V]
  std::int64_t stride = 0;
  const std::int32_t* labels = nullptr;  // [rows]
  const std::int32_t* ids = nullptr;     // [rows,known]
  const float* masses = nullptr;         // [rows,known + 1], the others' behind
  float share = 0, temperature = 1;
};

// loss[r] = (1 - share) loss[r] + share temperature^2 divergence, 0 where the label is ignored; on entry it
// is the cross-entropy. soft_lse = log of the sum of e^y; others = r / Q, 0 where there are none.
struct SoftLoss {
  SoftTargets targets;
  float* loss = nullptr;      // [rows], read and written
  float* soft_lse = nullptr;  // [rows]
  float* others = nullptr;    // [rows]
};

// d_logits = *scale * ((1 - share) (softmax(logits) - label) + share temperature (q - p)), where p of one of
// the others is q r / Q. 0 where the label is ignored.
struct SoftLossGradient {
  SoftTargets targets;
  const float *lse = nullptr, *soft_lse = nullptr, *others = nullptr;  // [rows]
  const float* scale = nullptr;                                        // one value
  Out d_logits;  // the logits' type and stride; may be the logits
};

void run(const SoftLoss&, Isa, ThreadPool&);
void run(const SoftLossGradient&, Isa, ThreadPool&);

// The `known` likeliest classes of each row by softmax(logits / temperature), ascending, and their masses
// with that of all others behind. Of equal logits the lower class is likelier. A NaN makes all masses of its
// row NaN.
struct LikeliestClasses {
  std::int64_t rows = 0, V = 0, known = 0;
  In logits;
  std::int64_t stride = 0;
  float temperature = 1;
  std::int32_t* ids = nullptr;  // [rows,known]
  float* masses = nullptr;      // [rows,known + 1]
};
void run(const LikeliestClasses&, Isa, ThreadPool&);

}  // namespace hone::kernel
