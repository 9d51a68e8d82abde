#include "compress/column_errors.hpp"

#include "base/arena.hpp"
#include "kernel/gemm.hpp"

namespace hone {

void add_errors(float* rest, std::int64_t rest_stride, const float* error, const float* factor,
                std::int64_t factor_stride, std::int64_t rows, std::int64_t block, std::int64_t columns,
                Isa isa, ThreadPool& pool) {
  const kernel::Gemm product{.M = rows,
                             .N = columns,
                             .K = block,
                             .a = {error},
                             .a_stride = error_columns,
                             .b = {factor},
                             .b_stride = factor_stride,
                             .c = {rest},
                             .c_stride = rest_stride,
                             .residual = rest};
  const Arena scratch(static_cast<std::size_t>(kernel::scratch_bytes(product, isa, pool.threads())) + 1);
  kernel::run(product, isa, pool, scratch.data());
}

}  // namespace hone
