#include "kernel/few_rows.hpp"

#include <algorithm>
#include <cassert>

#include "kernel/divide.hpp"
#include "kernel/isa/few_rows_isa.hpp"

namespace hone::kernel {
namespace {

// Rows of the weight that a task reads: enough bytes that starting a stream does not count (its first lines
// come late), few enough that a thread which the machine's other work slows down can be helped.
constexpr std::int64_t task_bytes = 128 * 1024;
constexpr std::int64_t tasks_per_thread = 4;
constexpr std::int64_t line_columns = 16;  // two threads never write one cache line of an f32 C

std::int64_t task_columns(const Gemm& g, int threads) {
  const std::int64_t by_bytes = task_bytes / row_bytes(g.b.type, g.K);
  const std::int64_t by_threads = divide_up(g.N, tasks_per_thread * threads);
  return divide_up(std::max<std::int64_t>(1, std::min(by_bytes, by_threads)), line_columns) * line_columns;
}

constexpr std::int64_t unit = 32;  // elements of a coded row that share a scale

// Of all rows of A, each filled up to whole blocks of B.
std::int64_t coded_units(const Gemm& g) { return g.M * filled_up(g.b.type, g.K) / unit; }

CodedRows coded_rows(const Gemm& g, void* scratch) {
  const std::int64_t units = coded_units(g);
  auto* scales = static_cast<float*>(scratch);
  return {.K = filled_up(g.b.type, g.K),
          .codes = reinterpret_cast<std::int8_t*>(scales + 4 * units),
          .scale = scales,
          .half_sums = scales + units,
          .sums = scales + 3 * units};
}

// The product with A's rows in f32, where they lie in the scratch.
Gemm widened(Gemm g, const BlocksTable& table, void* scratch) {
  auto* rows = static_cast<float*>(scratch);
  const auto* from = static_cast<const std::byte*>(g.a.data);
  for (std::int64_t r = 0; r < g.M; ++r)
    table.expand({from + r * g.a_stride * bytes(g.a.type), g.a.type}, g.K, rows + r * g.K);
  g.a = {rows, Element::f32};
  g.a_stride = g.K;
  return g;
}

}  // namespace

std::int64_t scratch_bytes(const FewRows& few) {
  const Gemm& g = few.product;
  if (is_blocks(g.b.type)) return coded_units(g) * (unit + 4 * static_cast<std::int64_t>(sizeof(float)));
  const bool widens = g.a.type != g.b.type && g.a.type != Element::f32;
  return widens ? g.M * g.K * static_cast<std::int64_t>(sizeof(float)) : 0;
}

void run(const FewRows& few, Isa isa, ThreadPool& pool, void* scratch) {
  Gemm g = few.product;
  assert(g.K > 0 && g.b_transposed && !g.pre);
  const FewRowsTable& table = few_rows_table_of(isa);
  const BlocksTable& blocks = blocks_table_of(isa);
  const bool coded = is_blocks(g.b.type);
  const CodedRows a = coded ? coded_rows(g, scratch) : CodedRows{};
  if (coded)
    blocks.encode(g.a, g.K, g.a_stride, g.M, a);
  else if (scratch_bytes(few) > 0)
    g = widened(g, blocks, scratch);
  const std::int64_t columns = task_columns(g, pool.threads());
  pool.run(divide_up(g.N, columns), [&](std::int64_t task, int) {
    const std::int64_t first = task * columns, count = std::min(columns, g.N - first);
    coded ? table.coded_columns(g, a, first, count) : table.columns(g, first, count);
  });
}

}  // namespace hone::kernel
