// A link of a tensor train's chain; see kernel/tensor_train.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct TensorTrainTable {
  // y[M,N] = a[M,K] b[K,N], each element one chain over K in order.
  void (*multiply)(const float* a, In b, float* y, std::int64_t M, std::int64_t K, std::int64_t N);
};

HONE_BUILDS(TensorTrainTable, tensor_train_table);

}  // namespace hone::kernel
