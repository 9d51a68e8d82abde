// Rows of a table by number, and the gradient of that.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// y[r] = table[ids[r]]; ids are in range (the data room has checked them).
struct Embedding {
  std::int64_t rows = 0, C = 0;
  const std::int32_t* ids = nullptr;  // [rows]
  In table{};                         // [V,C], of any type
  float* y = nullptr;                 // [rows,C]
};

// d_table[ids[r]] += dy[r], rows in order. Without accumulate the table is first zeroed.
struct EmbeddingGradient {
  std::int64_t rows = 0, C = 0, V = 0;
  const std::int32_t* ids = nullptr;
  const float* dy = nullptr;  // [rows,C]
  float* d_table = nullptr;   // [V,C]
  bool accumulate = false;
};

// sum[id] += the sum, from zero and in order, of the rows that have this id: what EmbeddingGradient over a
// table of its own and an addition would give, without the table.
struct AddRows {
  std::int64_t rows = 0, C = 0;
  const std::int32_t* ids = nullptr;  // [rows]
  const float* values = nullptr;      // [rows,C]
  Out sum{};                          // [V,C], f32 or bf16
};

std::int64_t scratch_bytes(const AddRows&);

void run(const AddRows&, ThreadPool&, void* scratch);
void run(const Embedding&, Isa, ThreadPool&);
void run(const EmbeddingGradient&, Isa, ThreadPool&);

}  // namespace hone::kernel
