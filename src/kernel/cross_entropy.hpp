// Cross-entropy of rows of logits against labels, and its gradient over the logits' own memory. Labels are in
// range or ignored_label (the data room has checked them). A logit of -infinity is a masked one; a NaN or
// +infinity makes the row's loss NaN. A loss keeps 1e-6 of itself, however small, except for what rounding of
// the logits' differences costs (6e-8 of the distance to the maximum).
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

constexpr std::int32_t ignored_label = -100;

// loss[r] = lse[r] - logits[r, labels[r]], 0 where the label is ignored; lse = log of the sum of e^logits.
// With smoothing e (Szegedy et al., 2016): (1-e) of that and e of lse - the mean of the row, as if a share e
// of the label were spread over all V.
struct CrossEntropy {
  std::int64_t rows = 0, V = 0;
  In logits;  // [rows,V]
  std::int64_t stride = 0;
  const std::int32_t* labels = nullptr;  // [rows]
  float label_smoothing = 0;
  float* loss = nullptr;  // [rows]
  float* lse = nullptr;   // [rows]
};

// d_logits[r,v] = *scale * (e^(logits - lse) - target), 0 where ignored; the target is 1 at the label and 0
// elsewhere, or smoothed 1-e + e/V and e/V. e^x is 0 below x = -87.
struct CrossEntropyGradient {
  std::int64_t rows = 0, V = 0;
  In logits;
  std::int64_t stride = 0;
  const std::int32_t* labels = nullptr;
  float label_smoothing = 0;
  const float* lse = nullptr;
  const float* scale = nullptr;  // one value: 1 / the tokens of the whole step
  Out d_logits;                  // the logits' type and stride; may be the logits
};

void run(const CrossEntropy&, Isa, ThreadPool&);
void run(const CrossEntropyGradient&, Isa, ThreadPool&);

}  // namespace hone::kernel
