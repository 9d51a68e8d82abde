#include "kernel/gemm.hpp"

#include <algorithm>
#include <cassert>

#include "kernel/isa/gemm_isa.hpp"

namespace hone::kernel {
namespace {

using std::int64_t;

const GemmTable& table(Isa isa) {
  switch (isa) {
    case Isa::avx512: return avx512::gemm_table;
    case Isa::avx2: return avx2::gemm_table;
    case Isa::portable: break;
  }
  return portable::gemm_table;
}

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }
int64_t round_up(int64_t n, int64_t to) { return divide_up(n, to) * to; }

// Bytes of a packed panel block at most: a third of a 1 MB second-level cache, so that rows of A and results
// pass through the rest.
constexpr int64_t panel_block_bytes = 288 * 1024;
// Fewer rows would not pay for packing their panel again; more would push partial sums out of that cache.
constexpr int64_t fewest_rows = 64, most_rows = 1024;
constexpr int64_t tasks_per_thread = 4;  // evens out threads that are slowed by the machine's other work

// How a product is cut into tasks. No result depends on it.
struct Split {
  int64_t column_blocks, rows, row_blocks;
  int64_t k_block;                                     // elements
  int64_t panel_bytes, row_copy_bytes, partial_bytes;  // of a worker's scratch

  int64_t tasks() const { return column_blocks * row_blocks; }
  int64_t worker_bytes() const { return panel_bytes + row_copy_bytes + partial_bytes; }
};

Split split(const Gemm& g, const GemmTable& t, int threads) {
  Split s{};
  s.column_blocks = divide_up(g.N, t.block_columns);
  const int64_t wanted = threads == 1 ? 1 : divide_up(tasks_per_thread * threads, std::max<int64_t>(s.column_blocks, 1));
  const int64_t blocks = std::max(divide_up(g.M, most_rows), std::min(wanted, g.M / fewest_rows));
  s.rows = round_up(divide_up(g.M, std::max<int64_t>(blocks, 1)), t.tile_rows);
  s.row_blocks = s.rows == 0 ? 0 : divide_up(g.M, s.rows);

  const int64_t pair = g.a.type == Element::bf16 ? t.bf16_pair : 1;
  const int64_t most_units = panel_block_bytes / (4 * t.block_columns);
  const int64_t units = std::min(most_units, divide_up(g.K, pair));
  s.k_block = most_units * pair;
  const int64_t row_tiles = g.K > s.k_block ? s.rows / t.tile_rows : 1;
  s.panel_bytes = round_up(units * t.block_columns * 4, 64);
  s.row_copy_bytes = round_up((units + row_copy_slack) * t.tile_rows * 4, 64);
  s.partial_bytes = round_up(row_tiles * t.tile_rows * t.block_columns * 4, 64);
  return s;
}

// Pieces of the weight gradient, and where their packed units begin.
struct Pieces {
  int64_t per_sequence, pair;
  int64_t positions;

  int64_t units_before(int64_t sequence, int64_t piece) const {
    const int64_t whole = positions / piece_positions, rest = positions % piece_positions;
    const int64_t in_sequence = whole * (piece_positions / pair) + divide_up(rest, pair);
    return sequence * in_sequence + piece * (piece_positions / pair);
  }
};

Pieces pieces_of(const WeightGradient& g, const GemmTable& t) {
  return {divide_up(g.positions, piece_positions), g.dy.type == Element::bf16 ? t.bf16_pair : 1, g.positions};
}

int64_t packed_bytes(const Pieces& p, int64_t sequences, int64_t columns) {
  return round_up(p.units_before(sequences, 0) * columns * 4, 64);
}

constexpr int64_t pack_columns = 384;  // of a packing task: a multiple of every panel's width

// Packs both operands, all pieces: [piece][panel][unit][width].
void pack(const WeightGradient& g, const GemmTable& t, ThreadPool& pool, const WeightTile& to) {
  const Pieces pieces = pieces_of(g, t);
  const int64_t dy_tasks = divide_up(g.N, pack_columns), x_tasks = divide_up(g.K, pack_columns);
  const int64_t tasks_of_piece = dy_tasks + x_tasks;
  pool.run(g.sequences * pieces.per_sequence * tasks_of_piece, [&](int64_t task, int) {
    const int64_t number = task / tasks_of_piece, part = task % tasks_of_piece;
    const int64_t sequence = number / pieces.per_sequence, piece = number % pieces.per_sequence;
    const bool dy = part < dy_tasks;
    const int64_t row = sequence * g.positions + piece * piece_positions;
    const int64_t stride = dy ? g.dy_stride : g.x_stride, all = dy ? g.N : g.K;
    const int64_t column = (dy ? part : part - dy_tasks) * pack_columns;
    const In& from = dy ? g.dy : g.x;
    std::uint32_t* out = const_cast<std::uint32_t*>(dy ? to.dy : to.x);
    t.pack_piece({.matrix = {static_cast<const char*>(from.data) + row * stride * bytes(from.type), from.type},
                  .stride = stride,
                  .positions = std::min(piece_positions, g.positions - piece * piece_positions),
                  .first_column = column,
                  .columns = std::min(pack_columns, all - column),
                  .all_columns = all,
                  .broadcast_side = dy,
                  .out = out + pieces.units_before(sequence, piece) * (dy ? to.dy_columns : to.x_columns)});
  });
}

}  // namespace

int64_t scratch_bytes(const Gemm& g, Isa isa, int threads) {
  return split(g, table(isa), threads).worker_bytes() * threads;
}

void run(const Gemm& g, Isa isa, ThreadPool& pool, void* scratch) {
  assert(g.K > 0 && g.a.type == g.b.type);
  const GemmTable& t = table(isa);
  const Split s = split(g, t, pool.threads());
  pool.run(s.tasks(), [&](int64_t task, int worker) {
    const int64_t column = task / s.row_blocks * t.block_columns, row = task % s.row_blocks * s.rows;
    char* own = static_cast<char*>(scratch) + worker * s.worker_bytes();
    t.multiply_block(g, {.first_row = row,
                         .rows = std::min(s.rows, g.M - row),
                         .first_column = column,
                         .columns = std::min(t.block_columns, g.N - column),
                         .k_block = s.k_block,
                         .panels = reinterpret_cast<std::uint32_t*>(own),
                         .row_copy = reinterpret_cast<std::uint32_t*>(own + s.panel_bytes),
                         .partial = reinterpret_cast<float*>(own + s.panel_bytes + s.row_copy_bytes)});
  });
}

int64_t scratch_bytes(const WeightGradient& g, Isa isa, int) {
  const GemmTable& t = table(isa);
  const Pieces pieces = pieces_of(g, t);
  return packed_bytes(pieces, g.sequences, round_up(g.N, t.tile_rows)) +
         packed_bytes(pieces, g.sequences, round_up(g.K, t.lanes));
}

void run(const WeightGradient& g, Isa isa, ThreadPool& pool, void* scratch) {
  assert(g.dy.type == g.x.type);
  const GemmTable& t = table(isa);
  const int64_t dy_columns = round_up(g.N, t.tile_rows), x_columns = round_up(g.K, t.lanes);
  const int64_t dy_bytes = packed_bytes(pieces_of(g, t), g.sequences, dy_columns);
  WeightTile whole{.gradient = &g,
                   .first_row = 0,
                   .rows = 0,
                   .first_column = 0,
                   .columns = 0,
                   .dy = static_cast<const std::uint32_t*>(scratch),
                   .x = reinterpret_cast<const std::uint32_t*>(static_cast<char*>(scratch) + dy_bytes),
                   .dy_columns = dy_columns,
                   .x_columns = x_columns};
  pack(g, t, pool, whole);

  // A tile of dW (147 KB) and the panels that it needs of a piece stay in the second-level cache together;
  // smaller ones where there would be too few for the threads.
  int64_t rows = 192, columns = 192;
  const auto tiles = [&] { return divide_up(g.N, rows) * divide_up(g.K, columns); };
  if (pool.threads() > 1 && tiles() < tasks_per_thread * pool.threads()) columns = 96;
  if (pool.threads() > 1 && tiles() < tasks_per_thread * pool.threads()) rows = 48;
  const int64_t across = divide_up(g.K, columns);
  pool.run(tiles(), [&](int64_t task, int) {
    WeightTile tile = whole;
    tile.first_row = task / across * rows;
    tile.rows = std::min(rows, g.N - tile.first_row);
    tile.first_column = task % across * columns;
    tile.columns = std::min(columns, g.K - tile.first_column);
    t.weight_tile(tile);
  });
}

}  // namespace hone::kernel
