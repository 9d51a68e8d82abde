#include "kernel/isa/tensor_train_isa.hpp"

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// Rows of a at a time, whose chains run side by side over each vector of b.
constexpr int rows_at_once = 8;

template <int rows, class T>
HONE_INLINE void multiply_rows(const float* a, const T* b, float* y, std::int64_t K, std::int64_t N) {
  each(N, [&](std::int64_t n, auto part) {
    F s[rows] = {};
    for (std::int64_t k = 0; k < K; ++k) {
      const F v = get(b + k * N + n, part);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) s[r] = fma(splat(a[r * K + k]), v, s[r]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) put(y + r * N + n, s[r], part);
  });
}

void multiply(const float* a, In b, float* y, std::int64_t M, std::int64_t K, std::int64_t N) {
  typed(b, [&](const auto* values) {
    std::int64_t m = 0;
    for (; m + rows_at_once <= M; m += rows_at_once)
      multiply_rows<rows_at_once>(a + m * K, values, y + m * N, K, N);
    for (; m < M; ++m) multiply_rows<1>(a + m * K, values, y + m * N, K, N);
  });
}

}  // namespace

const TensorTrainTable tensor_train_table{multiply};

}  // namespace hone::kernel::HONE_ISA
