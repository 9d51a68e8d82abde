// The weight gradient: all pieces of dY and X pass over one tile of dW, packed as they come.
//
// Tried first: a phase that packs both operands whole, then the products. Its scratch of dY's and X's size
// went through memory and cost 15 to 20 % of the time; packing again for every tile costs 5 to 10 %.
#include <type_traits>

#include "kernel/isa/gemm_isa.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {

void weight_tile(const WeightTile& tile);

namespace {

struct Piece {
  std::int64_t first_row, positions;
};

// The panels of one of the pieces that are multiplied together: a part of dW comes from the second-level
// cache once for all of them.
struct Panels {
  std::uint32_t *dy, *x;
  std::int64_t units;
};
HONE_INLINE Panels panels_of(const WeightTile& tile, std::int64_t i, std::int64_t units) {
  return {tile.dy_panels + i * tile.dy_units, tile.x_panels + i * tile.x_units, units};
}

// The next tile_rows lanes of v to each of the panels from `to` on.
HONE_INLINE void store_cut(std::uint32_t* to, std::int64_t panel, F v) {
#if defined(__AVX512F__)
  _mm256_storeu_ps(reinterpret_cast<float*>(to), _mm512_castps512_ps256((__m512)v));
  _mm256_storeu_ps(reinterpret_cast<float*>(to + panel), _mm512_extractf32x8_ps((__m512)v, 1));
#elif defined(__AVX2__)
  _mm_storeu_ps(reinterpret_cast<float*>(to), _mm256_castps256_ps128((__m256)v));
  _mm_storeu_ps(reinterpret_cast<float*>(to + panel), _mm256_extractf128_ps((__m256)v, 1));
#else
  (void)panel;
  store(reinterpret_cast<float*>(to), v);
#endif
}

// To panels of [units][tile_rows]. All of a vector's are there, though the last may lie beyond tile.rows.
template <class T>
void pack_dy(const WeightTile& tile, const Piece& piece, std::uint32_t* panels) {
  const WeightGradient& g = *tile.gradient;
  const T* rows = static_cast<const T*>(g.dy.data) + piece.first_row * g.dy_stride + tile.first_row;
  const std::int64_t units = divide_up(piece.positions, pair_of<T>), panel = units * tile_rows + panel_gap;
  for (std::int64_t u = 0; u < units; ++u) {
    const std::int64_t position = u * pair_of<T>;
    const T* row = rows + position * g.dy_stride;
    std::uint32_t* to = panels + u * tile_rows;
    prefetch_ahead(row, g.dy_stride, tile.rows);
    for (std::int64_t c = 0; c < tile.rows; c += lanes, to += lanes / tile_rows * panel)
      store_cut(to, panel, units_down(row + c, g.dy_stride, position + 1 < piece.positions, tile.rows - c));
  }
}

template <class T>
void pack_x(const WeightTile& tile, const Piece& piece, std::uint32_t* panels) {
  const WeightGradient& g = *tile.gradient;
  const T* rows = static_cast<const T*>(g.x.data) + piece.first_row * g.x_stride + tile.first_column;
  const std::int64_t panel = panel_units(divide_up(piece.positions, pair_of<T>));
  pack_rows(rows, g.x_stride, piece.positions, tile.columns, panel, panels);
}

// Asks for a slice of a piece's rows: the next piece comes into the second-level cache while this one is
// multiplied. Packing waits for memory otherwise, a fifth of the time.
template <class T>
void prefetch_piece(const WeightTile& tile, const Piece& piece, std::int64_t slice, std::int64_t slices) {
  const WeightGradient& g = *tile.gradient;
  constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  const T* dy = static_cast<const T*>(g.dy.data) + piece.first_row * g.dy_stride + tile.first_row;
  const T* x = static_cast<const T*>(g.x.data) + piece.first_row * g.x_stride + tile.first_column;
  const std::int64_t end = piece.positions * (slice + 1) / slices;
  for (std::int64_t p = piece.positions * slice / slices; p < end; ++p) {
    for (std::int64_t c = 0; c < tile.rows; c += line) __builtin_prefetch(dy + p * g.dy_stride + c, 0, 2);
    for (std::int64_t c = 0; c < tile.columns; c += line) __builtin_prefetch(x + p * g.x_stride + c, 0, 2);
  }
}

// A panel of dY times one of X, written to or added to dW. row, column: in the tile.
template <class T, class Sum>
void multiply_panels(const WeightTile& tile, const Panels& panels, std::int64_t row, std::int64_t column,
                     bool add) {
  const WeightGradient& g = *tile.gradient;
  const std::int64_t rows = smaller(tile_rows, tile.rows - row);
  const std::int64_t columns = smaller(panel_columns, tile.columns - column),
                     width = round_up(columns, lanes);
  Sum* dw = static_cast<Sum*>(g.dw.data) + (tile.first_row + row) * g.K + tile.first_column + column;
  const bool direct = std::is_same_v<Sum, float> && rows == tile_rows && columns == width;
  constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(Sum));
  if (add && rows == tile_rows)
    for (std::int64_t r = 0; r < tile_rows; ++r)
      for (std::int64_t c = 0; c < columns; c += line) __builtin_prefetch(dw + r * g.K + c, 1);
  alignas(64) float edge[tile_rows * panel_columns];
  const std::int64_t units = panels.units;
  multiply_tile<T>(width, {.a = panels.dy + row / tile_rows * (units * tile_rows + panel_gap),
                           .a_row_bytes = 4,
                           .a_unit_bytes = 4 * tile_rows,
                           .b = panels.x + column / panel_columns * panel_units(units),
                           .units = units,
                           .c = direct ? reinterpret_cast<float*>(dw) : edge,
                           .c_stride = direct ? g.K : width,
                           .from_c = false,
                           .add_to_c = direct && add});
  if (direct) return;
  for (std::int64_t r = 0; r < rows; ++r)
    each(columns, [&](std::int64_t c, auto part) {
      const F piece = get(edge + r * width + c, part);
      Sum* to = dw + r * g.K + c;
      put(to, add ? get(to, part) + piece : piece, part);
    });
}

// All panels of `count` pieces, in order; `next` (may be empty) is brought nearer meanwhile.
template <class T, class Sum>
void multiply_pieces(const WeightTile& tile, std::int64_t count, std::int64_t units, bool add,
                     const Piece& next) {
  const std::int64_t slices = divide_up(tile.columns, panel_columns) * divide_up(tile.rows, tile_rows);
  std::int64_t slice = 0;
  for (std::int64_t c = 0; c < tile.columns; c += panel_columns)
    for (std::int64_t r = 0; r < tile.rows; r += tile_rows) {
      prefetch_piece<T>(tile, next, slice++, slices);
      for (std::int64_t i = 0; i < count; ++i)
        multiply_panels<T, Sum>(tile, panels_of(tile, i, units), r, c, add || i > 0);
    }
}

template <class T, class Sum>
void weight_tile_as(const WeightTile& tile) {
  const WeightGradient& g = *tile.gradient;
  const std::int64_t per_sequence = divide_up(g.positions, piece_positions),
                     pieces = g.sequences * per_sequence;
  const auto piece = [&](std::int64_t i) {
    const std::int64_t before = i % per_sequence * piece_positions;
    if (i >= pieces) return Piece{0, 0};
    return Piece{i / per_sequence * g.positions + before, smaller(piece_positions, g.positions - before)};
  };
  for (std::int64_t first = 0; first < pieces; first += tile.together) {
    const std::int64_t count = smaller(tile.together, pieces - first);
    const std::int64_t units = divide_up(piece(first).positions, pair_of<T>);
    for (std::int64_t i = 0; i < count; ++i) {
      const Panels to = panels_of(tile, i, units);
      pack_dy<T>(tile, piece(first + i), to.dy);
      pack_x<T>(tile, piece(first + i), to.x);
    }
    // Sequences lie one behind the other: the next ones are as one piece.
    Piece next = piece(first + count);
    next.positions *= smaller(tile.together, pieces - first - count);
    multiply_pieces<T, Sum>(tile, count, units, g.accumulate || first > 0, next);
  }
}

}  // namespace

void weight_tile(const WeightTile& tile) {
  const bool narrow = tile.gradient->dw.type == Element::bf16;
  typed(tile.gradient->dy,
        [&]<class T>(const T*) { narrow ? weight_tile_as<T, bf16>(tile) : weight_tile_as<T, float>(tile); });
}

}  // namespace hone::kernel::HONE_ISA
