#include "kernel/isa/embedding_isa.hpp"

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

void gather(const float* table, const std::int32_t* ids, float* y, std::int64_t C, std::int64_t first_row,
            std::int64_t rows) {
  for (std::int64_t r = first_row; r < first_row + rows; ++r)
    std::memcpy(y + r * C, table + ids[r] * C, static_cast<std::size_t>(C) * sizeof *y);
}

void scatter(const float* dy, const std::int32_t* ids, float* d_table, std::int64_t C, std::int64_t rows,
             std::int64_t first, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* from = dy + r * C + first;
    float* to = d_table + ids[r] * C + first;
    each(columns,
         [&](std::int64_t i, auto part) { put(to + i, get(to + i, part) + get(from + i, part), part); });
  }
}

}  // namespace

const EmbeddingTable embedding_table{gather, scatter};

}  // namespace hone::kernel::HONE_ISA
