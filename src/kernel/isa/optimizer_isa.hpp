// The update's loops on the elements of one task; see kernel/optimizer.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct AdamWCoefficients {
  float clip_scale, beta1, beta2, one_minus_beta1, one_minus_beta2, kept_share, lr, correction1, correction2,
      epsilon;  // kept_share = 1 - lr * weight_decay
};

// f32, or bf16 to be rounded by drawn bits: of element `first` of the whole weight and on.
struct UpdatedWeight {
  Out w;
  std::uint64_t key;
  std::int64_t first;
};

struct OptimizerTable {
  double (*sum_of_squares)(const In& x, std::int64_t n);
  // low.data may be null.
  void (*adamw)(const AdamWCoefficients&, const UpdatedWeight& w, const In& gradient, float* m, float* v,
                Out low, std::int64_t n);
};

HONE_BUILDS(OptimizerTable, optimizer_table);

}  // namespace hone::kernel
