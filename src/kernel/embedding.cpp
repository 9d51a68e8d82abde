#include "kernel/embedding.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "base/types.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/embedding_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t columns_at_once = 64;

void add_to(const Out& sums, std::int64_t first, std::span<const float> addends) {
  if (sums.type == Element::f32) {
    float* to = static_cast<float*>(sums.data) + first;
    for (std::size_t i = 0; i < addends.size(); ++i) to[i] += addends[i];
  } else {
    hone::bf16* to = static_cast<hone::bf16*>(sums.data) + first;
    for (std::size_t i = 0; i < addends.size(); ++i) to[i] = to_bf16(to_f32(to[i]) + addends[i]);
  }
}

}  // namespace

void run(const Embedding& a, Isa isa, ThreadPool& pool) {
  const EmbeddingTable& f = embedding_table_of(isa);
  const std::int64_t step = std::max<std::int64_t>(1, 16384 / a.C);
  pool.run(divide_up(a.rows, step), [&](std::int64_t task, int) {
    f.gather(a.table, a.ids, a.y, a.C, task * step, std::min(step, a.rows - task * step));
  });
}

// Rows may repeat an id, so they are not shared out: columns are, and each element's sum runs over rows in
// order.
void run(const EmbeddingGradient& a, Isa isa, ThreadPool& pool) {
  if (!a.accumulate) {
    constexpr std::int64_t step = 65536;
    const std::int64_t n = a.V * a.C;
    pool.run(divide_up(n, step), [&](std::int64_t task, int) {
      const auto count = static_cast<std::size_t>(std::min(step, n - task * step));
      std::memset(a.d_table + task * step, 0, count * sizeof(float));
    });
  }
  const EmbeddingTable& f = embedding_table_of(isa);
  const std::int64_t columns = a.C < 4 * 128 * pool.threads() ? 64 : 128;
  pool.run(divide_up(a.C, columns), [&](std::int64_t task, int) {
    f.scatter(a.dy, a.ids, a.d_table, a.C, a.rows, task * columns, std::min(columns, a.C - task * columns));
  });
}

std::int64_t scratch_bytes(const AddRows& a) { return a.rows * 4; }

void run(const AddRows& a, ThreadPool& pool, void* scratch) {
  auto* order = static_cast<std::int32_t*>(scratch);  // rows by id, then by number
  std::iota(order, order + a.rows, 0);
  std::sort(order, order + a.rows, [&](std::int32_t x, std::int32_t y) {
    return a.ids[x] != a.ids[y] ? a.ids[x] < a.ids[y] : x < y;
  });
  pool.run(divide_up(a.C, columns_at_once), [&](std::int64_t task, int) {
    const std::int64_t first = task * columns_at_once, count = std::min(columns_at_once, a.C - first);
    for (std::int64_t r = 0; r < a.rows;) {
      const std::int32_t id = a.ids[order[r]];
      float total[columns_at_once] = {};
      for (; r < a.rows && a.ids[order[r]] == id; ++r) {
        const float* row = a.values + order[r] * a.C + first;
        for (std::int64_t c = 0; c < count; ++c) total[c] += row[c];
      }
      add_to(a.sum, id * a.C + first, {total, static_cast<std::size_t>(count)});
    }
  });
}

}  // namespace hone::kernel
