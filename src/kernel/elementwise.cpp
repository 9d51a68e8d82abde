#include "kernel/elementwise.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/divide.hpp"
#include "kernel/isa/elementwise_isa.hpp"

namespace hone::kernel {
namespace {

// 64 KB of an f32 stream: a few us of work, far more than the 0.1 us of a task. A multiple of eight, so that
// dropout's tasks don't start inside a Philox group unless the whole does.
constexpr std::int64_t task_elements = 16384;

template <class Body>
void by_tasks(std::int64_t n, ThreadPool& pool, const Body& body) {
  pool.run(divide_up(n, task_elements), [&](std::int64_t task, int) {
    body(task * task_elements, std::min(task_elements, n - task * task_elements));
  });
}

}  // namespace

void run(const Activate& a, Isa isa, ThreadPool& pool) {
  const ElementwiseTable& f = elementwise_table_of(isa);
  by_tasks(a.n, pool, [&](std::int64_t first, std::int64_t n) {
    if (a.dy.data)
      f.activate_gradient(a.kind, a.x, a.dy, a.y, first, n);
    else
      f.activate(a.kind, a.x, a.y, first, n);
  });
}

void run(const Gate& a, Isa isa, ThreadPool& pool) {
  const ElementwiseTable& f = elementwise_table_of(isa);
  by_tasks(a.n, pool,
           [&](std::int64_t first, std::int64_t n) { (a.dy.data ? f.gate_gradient : f.gate)(a, first, n); });
}

void run(const Softcap& a, Isa isa, ThreadPool& pool) {
  const ElementwiseTable& f = elementwise_table_of(isa);
  by_tasks(a.n, pool, [&](std::int64_t first, std::int64_t n) {
    (a.dy.data ? f.softcap_gradient : f.softcap)(a, first, n);
  });
}

void run(const Add& a, Isa isa, ThreadPool& pool) {
  const ElementwiseTable& f = elementwise_table_of(isa);
  by_tasks(a.n, pool, [&](std::int64_t first, std::int64_t n) { f.add(a.a, a.b, a.y, first, n); });
}

void run(const Cast& a, Isa isa, ThreadPool& pool) {
  const ElementwiseTable& f = elementwise_table_of(isa);
  by_tasks(a.n, pool, [&](std::int64_t first, std::int64_t n) { f.cast(a.x, a.y, first, n); });
}

// Rows are contiguous and so are their indices: one run of rows * columns elements.
void run(const DropoutRows& a, Isa isa, ThreadPool& pool) {
  const auto threshold = static_cast<std::uint32_t>(std::lround(static_cast<double>(a.p) * 65536));
  const DropoutElements elements{a.x,       a.y,   1 - a.p,
                                 threshold, a.key, static_cast<std::uint64_t>(a.first_row * a.columns)};
  const ElementwiseTable& f = elementwise_table_of(isa);
  by_tasks(a.rows * a.columns, pool,
           [&](std::int64_t first, std::int64_t n) { f.dropout(elements, first, n); });
}

std::int64_t scratch_bytes(const ColumnSum&, int) { return 0; }

// A task is a block of columns over all rows, piece by piece: no partial sums to keep, and any width of block
// gives the same bits; a narrower one where there would be too few for the threads.
void run(const ColumnSum& a, Isa isa, ThreadPool& pool, void*) {
  const std::int64_t block = a.columns < 2 * pool.threads() * column_block ? column_block / 2 : column_block;
  const ElementwiseTable& f = elementwise_table_of(isa);
  pool.run(divide_up(a.columns, block), [&](std::int64_t task, int) {
    const std::int64_t first = task * block, columns = std::min(block, a.columns - first);
    if (!a.accumulate) std::fill_n(a.sum + first, columns, 0.0f);
    for (std::int64_t sequence = 0; sequence < a.sequences; ++sequence)
      for (std::int64_t position = 0; position < a.positions; position += piece_positions)
        f.add_columns(a.x, a.x_stride, sequence * a.positions + position,
                      std::min(piece_positions, a.positions - position), first, columns, a.sum);
  });
}

}  // namespace hone::kernel
