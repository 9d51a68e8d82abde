// The weight gradient's two phases: packing pieces of dY and X, and passing all pieces over a tile of dW.
#include "kernel/isa/gemm_isa.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {

void pack_piece(const PackPiece& piece);
void weight_tile(const WeightTile& tile);

namespace {

// out: panels of [units][tile_rows]. A vector of units is cut into panels. Two vectors at a time: a line of
// bf16 is read whole, and no more than four streams, 4 or 8 KB apart, are written.
template <class T>
void pack_broadcast_side(const PackPiece& p) {
  const T* rows = static_cast<const T*>(p.matrix.data);
  const std::int64_t units = divide_up(p.positions, pair_of<T>);
  const std::int64_t end = p.first_column + p.columns;
  for (std::int64_t c = p.first_column; c < end; c += 2 * lanes)
    for (std::int64_t u = 0; u < units; ++u) {
      const std::int64_t position = u * pair_of<T>;
      for (std::int64_t v = c; v < smaller(c + 2 * lanes, round_up(end, tile_rows)); v += lanes) {
        const T* row = rows + position * p.stride + v;
        float vector[lanes];
        store(vector, units_down(row, p.stride, position + 1 < p.positions, p.all_columns - v));
        for (int part = 0; part < lanes && v + part < end; part += tile_rows)
          std::memcpy(p.out + (v + part) * units + u * tile_rows, vector + part, tile_rows * 4);
      }
    }
}

// out: panels of [units][width].
template <class T>
void pack_vector_side(const PackPiece& p) {
  const T* rows = static_cast<const T*>(p.matrix.data);
  const std::int64_t units = divide_up(p.positions, pair_of<T>);
  for (std::int64_t c = 0; c < p.columns; c += panel_columns) {
    const std::int64_t columns = smaller(panel_columns, p.columns - c), column = p.first_column + c;
    pack_rows(rows + column, p.stride, p.positions, columns, round_up(columns, lanes), p.out + column * units);
  }
}

template <class T>
void pack_piece_as(const PackPiece& piece) {
  if (piece.broadcast_side) pack_broadcast_side<T>(piece);
  else pack_vector_side<T>(piece);
}

// One panel of dY times one of X, written to or added to dW.
template <class T>
void multiply_panels(const WeightTile& tile, std::int64_t row, std::int64_t column, const std::uint32_t* dy,
                     const std::uint32_t* x, std::int64_t units, bool add) {
  const WeightGradient& g = *tile.gradient;
  const std::int64_t rows = smaller(tile_rows, g.N - row), columns = smaller(panel_columns, g.K - column);
  const std::int64_t width = round_up(columns, lanes);
  float* dw = g.dw + row * g.K + column;
  const bool whole = rows == tile_rows && columns == width;
  alignas(64) float edge[tile_rows * panel_columns];
  multiply_tile<T>(width, {.a = dy + row * units,
                           .a_row_bytes = 4,
                           .a_unit_bytes = 4 * tile_rows,
                           .b = x + column * units,
                           .units = units,
                           .c = whole ? dw : edge,
                           .c_stride = whole ? g.K : width,
                           .from_c = false,
                           .add_to_c = whole && add});
  if (whole) return;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      float& to = dw[r * g.K + c];
      to = add ? to + edge[r * width + c] : edge[r * width + c];
    }
}

template <class T>
void weight_tile_as(const WeightTile& tile) {
  const WeightGradient& g = *tile.gradient;
  const std::uint32_t *dy = tile.dy, *x = tile.x;
  bool add = g.accumulate;
  for (std::int64_t sequence = 0; sequence < g.sequences; ++sequence)
    for (std::int64_t position = 0; position < g.positions; position += piece_positions) {
      const std::int64_t units = divide_up(smaller(piece_positions, g.positions - position), pair_of<T>);
      for (std::int64_t c = 0; c < tile.columns; c += panel_columns)
        for (std::int64_t r = 0; r < tile.rows; r += tile_rows)
          multiply_panels<T>(tile, tile.first_row + r, tile.first_column + c, dy, x, units, add);
      dy += units * tile.dy_columns;
      x += units * tile.x_columns;
      add = true;
    }
}

}  // namespace

void pack_piece(const PackPiece& piece) {
  if (piece.matrix.type == Element::bf16) pack_piece_as<std::uint16_t>(piece);
  else pack_piece_as<float>(piece);
}

void weight_tile(const WeightTile& tile) {
  if (tile.gradient->dy.type == Element::bf16) weight_tile_as<std::uint16_t>(tile);
  else weight_tile_as<float>(tile);
}

}  // namespace hone::kernel::HONE_ISA
