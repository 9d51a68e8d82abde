#include "kernel/gemm.hpp"

#include <algorithm>
#include <cassert>

#include "kernel/divide.hpp"
#include "kernel/isa/gemm_isa.hpp"
#include "machine/caches.hpp"

namespace hone::kernel {
namespace {

using std::int64_t;

// The packed block of B fills nine sixteenths of the second-level cache; rows of A and results pass through
// the rest. The more columns, the less often A passes by (and is widened, where bf16 has to be). Where the
// whole K does not fit beside the fewest panels K is cut, down to this many units: 256 x 50,257 -> 768, whose
// A is larger than the last-level cache, ran at 76 % of the limit with 48 columns, at 83 % with 192.
int64_t panel_block_units() { return second_level_cache_bytes() / 16 * 9 / 4; }
constexpr int64_t fewest_units = 384;
// Blocks of columns are not so wide that rows have to be cut below this to occupy the threads.
constexpr int64_t wide_rows = 256;
// Fewer rows would not pay for packing their panel again; more would push partial sums out of that cache.
constexpr int64_t fewest_rows = 64, most_rows = 1024;
constexpr int64_t tasks_per_thread = 4;  // evens out threads that are slowed by the machine's other work

int64_t panels_bytes(int64_t columns, int64_t panel_columns, int64_t units) {
  return divide_up(columns, panel_columns) * (panel_columns * units + panel_gap) * 4;
}

// How a product is cut into tasks. No result depends on it.
struct Split {
  int64_t columns, column_blocks, rows, row_blocks;
  int64_t k_block;                                     // elements
  int64_t panel_bytes, row_copy_bytes, partial_bytes;  // of a worker's scratch

  int64_t tasks() const { return column_blocks * row_blocks; }
  int64_t worker_bytes() const { return panel_bytes + row_copy_bytes + partial_bytes; }
};

Split split(const Gemm& g, const GemmTable& t, int threads) {
  Split s{};
  const int64_t pair = g.a.type == Element::bf16 ? t.bf16_pair : 1;
  const int64_t K = divide_up(g.K, pair), block = panel_block_units();
  const bool cut = K * t.fewest_panels * t.panel_columns > block;
  const int64_t tasks = tasks_per_thread * threads / (cut ? 2 : 1);
  const int64_t column_parts = divide_up(tasks, std::max<int64_t>(1, g.M / wide_rows));
  const int64_t fitting = block / (cut ? fewest_units : K) / t.panel_columns;
  s.columns =
      std::clamp(fitting, t.fewest_panels, std::max(t.fewest_panels, g.N / column_parts / t.panel_columns)) *
      t.panel_columns;
  s.column_blocks = divide_up(g.N, s.columns);
  // A cut of K leaves blocks whole.
  const int64_t longest = std::max<int64_t>(1, packing(g.b.type).elements / pair);
  const int64_t units = block / s.columns >= K ? K : block / s.columns / longest * longest;
  s.k_block = units * pair;

  const int64_t wanted = threads == 1 ? 1 : divide_up(tasks, std::max<int64_t>(s.column_blocks, 1));
  const int64_t blocks = std::max(divide_up(g.M, most_rows), std::min(wanted, g.M / fewest_rows));
  s.rows = round_up(divide_up(g.M, std::max<int64_t>(blocks, 1)), t.tile_rows);
  s.row_blocks = s.rows == 0 ? 0 : divide_up(g.M, s.rows);

  const int64_t row_tiles = units < K ? s.rows / t.tile_rows : 1;
  s.panel_bytes = panels_bytes(s.columns, t.panel_columns, units);
  s.row_copy_bytes = round_up((units + row_copy_slack) * t.tile_rows * 4, 64);
  s.partial_bytes = round_up(row_tiles * t.tile_rows * s.columns * 4, 64);
  return s;
}

// A tile of dW, panels of a piece, and what is fetched of the next one pass through a 1 MB second-level cache
// (bf16: 295 + 98 + 197 KB, and as much again as the panels). Larger tiles pack and read less often: each dY
// once for every tile column, each X once for every tile row. On Zen 5, f32 and bf16 GFLOP/s of one thread on
// 768 x 3072: 192 x 192 206 and 441, 192 x 384 229 and 465, 384 x 384 218 and 458, 96 x 192 less.
struct WeightSplit {
  int64_t rows = 192, columns = 384;
  int64_t down, across;
  int64_t dy_bytes, x_bytes;  // of a piece's panels
  int64_t together;           // pieces: as many short sequences as are one piece's positions

  int64_t tasks() const { return down * across; }
  int64_t worker_bytes() const { return together * (dy_bytes + x_bytes); }
};

WeightSplit split(const WeightGradient& g, const GemmTable& t, int threads) {
  WeightSplit s;
  const auto too_few = [&] {
    s.down = divide_up(g.N, s.rows), s.across = divide_up(g.K, s.columns);
    return threads > 1 && s.tasks() < tasks_per_thread * threads;
  };
  if (too_few()) s.columns = 192;
  if (too_few()) s.rows = s.columns = 96;
  if (too_few()) s.rows = s.columns = 48;
  too_few();
  const int64_t pair = g.dy.type == Element::bf16 ? t.bf16_pair : 1;
  const int64_t units = divide_up(std::min(piece_positions, g.positions), pair);
  s.dy_bytes = panels_bytes(round_up(s.rows, t.lanes), t.tile_rows, units);
  s.x_bytes = panels_bytes(s.columns, t.panel_columns, units);
  s.together = std::clamp<int64_t>(piece_positions / g.positions, 1, g.sequences);
  return s;
}

}  // namespace

int64_t scratch_bytes(const Gemm& g, Isa isa, int threads) {
  return split(g, gemm_table_of(isa), threads).worker_bytes() * threads;
}

void run(const Gemm& g, Isa isa, ThreadPool& pool, void* scratch) {
  assert(g.K > 0);
  const GemmTable& t = gemm_table_of(isa);
  const Split s = split(g, t, pool.threads());
  pool.run(s.tasks(), [&](int64_t task, int worker) {
    const int64_t column = task / s.row_blocks * s.columns, row = task % s.row_blocks * s.rows;
    char* own = static_cast<char*>(scratch) + worker * s.worker_bytes();
    t.multiply_block(g, {.first_row = row,
                         .rows = std::min(s.rows, g.M - row),
                         .first_column = column,
                         .columns = std::min(s.columns, g.N - column),
                         .most_columns = s.columns,
                         .k_block = s.k_block,
                         .panels = reinterpret_cast<std::uint32_t*>(own),
                         .row_copy = reinterpret_cast<std::uint32_t*>(own + s.panel_bytes),
                         .partial = reinterpret_cast<float*>(own + s.panel_bytes + s.row_copy_bytes)});
  });
}

int64_t scratch_bytes(const WeightGradient& g, Isa isa, int threads) {
  return split(g, gemm_table_of(isa), threads).worker_bytes() * threads;
}

void run(const WeightGradient& g, Isa isa, ThreadPool& pool, void* scratch) {
  assert(g.dy.type == g.x.type);
  const GemmTable& t = gemm_table_of(isa);
  const WeightSplit s = split(g, t, pool.threads());
  pool.run(s.tasks(), [&](int64_t task, int worker) {
    const int64_t row = task / s.across * s.rows, column = task % s.across * s.columns;
    char* own = static_cast<char*>(scratch) + worker * s.worker_bytes();
    t.weight_tile({.gradient = &g,
                   .first_row = row,
                   .rows = std::min(s.rows, g.N - row),
                   .first_column = column,
                   .columns = std::min(s.columns, g.K - column),
                   .dy_panels = reinterpret_cast<std::uint32_t*>(own),
                   .x_panels = reinterpret_cast<std::uint32_t*>(own + s.together * s.dy_bytes),
                   .together = s.together,
                   .dy_units = s.dy_bytes / 4,
                   .x_units = s.x_bytes / 4});
  });
}

}  // namespace hone::kernel
