// Rows of a table by number; see kernel/embedding.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct EmbeddingTable {
  void (*gather)(In table, const std::int32_t* ids, float* y, std::int64_t C, std::int64_t first_row,
                 std::int64_t rows);
  // d_table[ids[r], first .. first + columns) += dy[r, same], rows in order.
  void (*scatter)(const float* dy, const std::int32_t* ids, float* d_table, std::int64_t C, std::int64_t rows,
                  std::int64_t first, std::int64_t columns);
};

HONE_BUILDS(EmbeddingTable, embedding_table);

}  // namespace hone::kernel
