#include "kernel/isa/embedding_isa.hpp"

#include "kernel/isa/expand.hpp"
#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

void gather(In table, const std::int32_t* ids, float* y, std::int64_t C, std::int64_t first_row,
            std::int64_t rows) {
  if (is_blocks(table.type)) {
    const char* all = static_cast<const char*>(table.data);
    const std::int64_t stride = row_bytes(table.type, C);
    for (std::int64_t r = first_row; r < first_row + rows; ++r)
      expand_blocks({all + ids[r] * stride, table.type}, C, y + r * C);
    return;
  }
  typed(table, [&](auto* all) {
    for (std::int64_t r = first_row; r < first_row + rows; ++r)
      each(C, [&](std::int64_t i, auto part) { put(y + r * C + i, get(all + ids[r] * C + i, part), part); });
  });
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
