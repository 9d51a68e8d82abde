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
  const std::int64_t by_bytes = task_bytes / (g.K * bytes(g.b.type));
  const std::int64_t by_threads = divide_up(g.N, tasks_per_thread * threads);
  return divide_up(std::max<std::int64_t>(1, std::min(by_bytes, by_threads)), line_columns) * line_columns;
}

}  // namespace

void run(const FewRows& few, Isa isa, ThreadPool& pool) {
  const Gemm& g = few.product;
  assert(g.K > 0 && g.b_transposed && !g.pre && g.a.type == g.b.type);
  const FewRowsTable& table = few_rows_table_of(isa);
  const std::int64_t columns = task_columns(g, pool.threads());
  pool.run(divide_up(g.N, columns), [&](std::int64_t task, int) {
    const std::int64_t first = task * columns;
    table.columns(g, first, std::min(columns, g.N - first));
  });
}

}  // namespace hone::kernel
