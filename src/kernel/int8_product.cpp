#include "kernel/int8_product.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernel/blocks.hpp"
#include "kernel/divide.hpp"

namespace hone::kernel {
namespace {

using std::int64_t;

// Rows of a task that also quantizes its results: they wait in f32 in the second-level cache.
constexpr int64_t waiting_bytes = 256 * 1024;
constexpr int64_t most_task_rows = 64, tasks_per_thread = 4;

struct Split {
  int64_t rows, row_blocks, panels, panel_blocks;
  int64_t waiting;  // rows that wait to be quantized: a task's, all, or none

  int64_t tasks() const { return row_blocks * panel_blocks; }
  bool in_tasks() const { return waiting > 0 && waiting == rows && panel_blocks == 1; }
};

Split split(const Int8Product& p, int threads) {
  const int64_t M = p.product.M, N = p.product.N, panels = int8_panel_count(N),
                wanted = tasks_per_thread * threads;
  Split s{};
  if (p.quantizes) {
    s.rows =
        std::clamp(waiting_bytes / (4 * N) / int8_tile_rows * int8_tile_rows, int8_tile_rows, most_task_rows);
    s.row_blocks = divide_up(M, s.rows), s.panels = panels, s.panel_blocks = 1, s.waiting = s.rows;
    if (threads == 1 || s.row_blocks >= wanted) return s;
  }
  s.rows = most_task_rows, s.row_blocks = divide_up(M, s.rows);
  s.panels = std::max<int64_t>(1, panels / divide_up(wanted, s.row_blocks));
  if (threads == 1) s.panels = panels;
  s.panel_blocks = divide_up(panels, s.panels);
  s.waiting = p.quantizes ? M : 0;
  return s;
}

int64_t worker_bytes(const Int8Product& p, const Split& s) {
  const int64_t waiting = s.in_tasks() ? s.rows * p.product.N * 4 : 0;
  return round_up(int8_tile_bytes + int8_tile_rows * p.a.K + waiting, 64);
}

}  // namespace

int64_t int8_panel_count(int64_t N) { return divide_up(N, int8_panel_rows); }

void pack_int8(In weight, int64_t N, int64_t K, int64_t first, int64_t count, std::span<std::byte> to) {
  std::vector<float> row(static_cast<std::size_t>(K));
  std::byte* panels = to.data() + first * int8_panel_bytes(K);
  std::fill_n(panels, count * int8_panel_bytes(K), std::byte{});
  for (int64_t j = first * int8_panel_rows; j < std::min(N, (first + count) * int8_panel_rows); ++j) {
    expand({static_cast<const std::byte*>(weight.data) + j * row_bytes(weight.type, K), weight.type}, row);
    float most = 0;
    for (const float x : row) most = std::max(most, std::abs(x));
    std::byte* panel = panels + (j / int8_panel_rows - first) * int8_panel_bytes(K);
    const int64_t lane = j % int8_panel_rows;
    const float scale = most / 127, inverse = most > 0 ? 127 / most : 0;
    std::int32_t sum = 0;
    for (int64_t k = 0; k < K; ++k) {
      const auto code = static_cast<std::int8_t>(
          std::clamp(std::nearbyint(row[static_cast<std::size_t>(k)] * inverse), -127.f, 127.f));
      sum += code;
      panel[int8_panel_head + k / 4 * 4 * int8_panel_rows + 4 * lane + k % 4] = static_cast<std::byte>(code);
    }
    std::memcpy(panel + 4 * lane, &scale, sizeof scale);
    std::memcpy(panel + 4 * (int8_panel_rows + lane), &sum, sizeof sum);
  }
}

void quantize_rows(In x, int64_t width, int64_t stride, const Int8Rows& to, Isa isa, ThreadPool& pool) {
  constexpr int64_t task_codes = 16384;  // some microseconds
  const Int8Table& table = int8_table_of(isa);
  const int64_t some = std::max<int64_t>(1, task_codes / to.K);
  if (to.rows <= some) return table.quantize_rows(x, width, stride, 0, to.rows, to);
  pool.run(divide_up(to.rows, some), [&](int64_t task, int) {
    table.quantize_rows(x, width, stride, task * some, std::min(some, to.rows - task * some), to);
  });
}

int64_t scratch_bytes(const Int8Product& p, int threads) {
  const Split s = split(p, threads);
  return threads * worker_bytes(p, s) + (s.waiting && !s.in_tasks() ? s.waiting * p.product.N * 4 : 0);
}

void run(const Int8Product& p, Isa isa, ThreadPool& pool, void* scratch) {
  const Int8Table& table = int8_table_of(isa);
  const Split s = split(p, pool.threads());
  const int64_t own_bytes = worker_bytes(p, s), M = p.product.M, N = p.product.N;
  auto* shared = reinterpret_cast<float*>(static_cast<std::byte*>(scratch) + pool.threads() * own_bytes);
  // Rows from `first` on, that wait in f32, as codes.
  const auto quantize = [&](const float* waiting, int64_t first, int64_t rows) {
    table.quantize_rows(
        {waiting, Element::f32}, N, N, 0, rows,
        {rows, int8_row(N), p.quantized.codes + first * int8_row(N), p.quantized.scales + first});
  };
  pool.run(s.tasks(), [&](int64_t task, int worker) {
    auto* own = static_cast<std::byte*>(scratch) + worker * own_bytes;
    const int64_t row = task / s.panel_blocks * s.rows, panel = task % s.panel_blocks * s.panels;
    Int8Block block{.product = p.product,
                    .a = p.a,
                    .panels = p.panels,
                    .first_row = row,
                    .rows = std::min(s.rows, M - row),
                    .first_panel = panel,
                    .panel_count = std::min(s.panels, int8_panel_count(N) - panel),
                    .next_panel = (task + pool.threads()) % s.panel_blocks * s.panels,
                    .c_row = s.in_tasks() ? 0 : row,
                    .scratch = own};
    auto* waiting =
        s.in_tasks() ? reinterpret_cast<float*>(own + int8_tile_bytes + int8_tile_rows * p.a.K) : shared;
    if (s.waiting) {
      block.product.c = {waiting, Element::f32}, block.product.c_stride = N;
      if (p.product.activation != Activation::none)
        block.product.c.data = nullptr, block.product.activated = waiting;
    }
    table.multiply(block);
    if (s.in_tasks()) quantize(waiting, row, block.rows);
  });
  if (s.waiting && !s.in_tasks()) pool.run(M, [&](int64_t row, int) { quantize(shared + row * N, row, 1); });
}

}  // namespace hone::kernel
