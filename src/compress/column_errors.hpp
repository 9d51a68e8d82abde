// What methods share that go through a matrix column by column and make each column's error good by those
// behind it.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "machine/isa.hpp"

namespace hone {

constexpr std::int64_t error_columns = 128;  // between two products that reach all columns behind

// rest[rows,columns] += error[rows,block] factor[block,columns], of matrices of other widths; error's is
// error_columns.
void add_errors(float* rest, std::int64_t rest_stride, const float* error, const float* factor,
                std::int64_t factor_stride, std::int64_t rows, std::int64_t block, std::int64_t columns,
                Isa isa, ThreadPool& pool);

}  // namespace hone
