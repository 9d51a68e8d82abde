// The cut of a product with panels of 16 rows into tasks.
#pragma once
#include <algorithm>

#include "base/thread_pool.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/coded_product_isa.hpp"

namespace hone::kernel {

constexpr std::int64_t few_panel_rows = 4;  // that meet panels as they come from memory

inline std::int64_t panel_scratch(const Gemm& product, int threads) {
  return product.M > few_panel_rows ? threads * panel_scratch_bytes : 0;
}

// A task is some panels by some rows: enough bytes of a weight that starting a stream does not count, few
// enough that threads end together. multiply(first panel, panels, first row, rows, scratch).
template <class Multiply>
void run_panel_tasks(const Gemm& product, std::int64_t bytes_a_panel, ThreadPool& pool, void* scratch,
                     const Multiply& multiply) {
  constexpr std::int64_t task_bytes = 128 * 1024, tasks_per_thread = 4;
  const std::int64_t panels = divide_up(product.N, panel_rows);
  const std::int64_t some =
      product.M > few_panel_rows
          ? panels_at_once
          : std::max<std::int64_t>(1, std::min(task_bytes / bytes_a_panel,
                                               divide_up(panels, tasks_per_thread * pool.threads())));
  const std::int64_t columns = divide_up(panels, some);
  pool.run(columns * divide_up(product.M, panel_task_rows), [&](std::int64_t task, int thread) {
    const std::int64_t first = task % columns * some, row = task / columns * panel_task_rows;
    multiply(first, std::min(some, panels - first), row, std::min(panel_task_rows, product.M - row),
             static_cast<std::byte*>(scratch) + thread * panel_scratch_bytes);
  });
}

}  // namespace hone::kernel
