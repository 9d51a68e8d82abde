// The weight gradient: all pieces of dY and X pass over one tile of dW, packed as they come.
//
// Tried first: a phase that packs both operands whole, then the products. Its scratch of dY's and X's size
// went through memory and cost 15 to 20 % of the time; packing again for every tile costs 5 %.
#include "kernel/isa/gemm_isa.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {

void weight_tile(const WeightTile& tile);

namespace {

struct Piece {
  std::int64_t first_row, positions;
};

// To panels of [units][tile_rows]: a vector of units is cut into the panels that it crosses.
template <class T>
void pack_dy(const WeightTile& tile, const Piece& piece) {
  const WeightGradient& g = *tile.gradient;
  const T* rows = static_cast<const T*>(g.dy.data) + piece.first_row * g.dy_stride + tile.first_row;
  const std::int64_t units = divide_up(piece.positions, pair_of<T>), panel = units * tile_rows + dy_panel_gap;
  for (std::int64_t u = 0; u < units; ++u) {
    const std::int64_t position = u * pair_of<T>;
    const T* row = rows + position * g.dy_stride;
    std::uint32_t* to = tile.dy_panels + u * tile_rows;
    for (std::int64_t c = 0; c < tile.rows; c += lanes) {
      float vector[lanes];
      store(vector, units_down(row + c, g.dy_stride, position + 1 < piece.positions, tile.rows - c));
      for (int part = 0; part < lanes && c + part < tile.rows; part += tile_rows, to += panel)
        std::memcpy(to, vector + part, tile_rows * 4);
    }
  }
}

// To panels of [units][width].
template <class T>
void pack_x(const WeightTile& tile, const Piece& piece) {
  const WeightGradient& g = *tile.gradient;
  const T* rows = static_cast<const T*>(g.x.data) + piece.first_row * g.x_stride + tile.first_column;
  const std::int64_t units = divide_up(piece.positions, pair_of<T>);
  for (std::int64_t c = 0; c < tile.columns; c += panel_columns) {
    const std::int64_t columns = smaller(panel_columns, tile.columns - c);
    pack_rows(rows + c, g.x_stride, piece.positions, columns, round_up(columns, lanes), tile.x_panels + c * units);
  }
}

// A panel of dY times one of X, written to or added to dW. row, column: in the tile.
template <class T>
void multiply_panels(const WeightTile& tile, std::int64_t row, std::int64_t column, std::int64_t units, bool add) {
  const WeightGradient& g = *tile.gradient;
  const std::int64_t rows = smaller(tile_rows, tile.rows - row);
  const std::int64_t columns = smaller(panel_columns, tile.columns - column), width = round_up(columns, lanes);
  float* dw = g.dw + (tile.first_row + row) * g.K + tile.first_column + column;
  const bool whole = rows == tile_rows && columns == width;
  alignas(64) float edge[tile_rows * panel_columns];
  multiply_tile<T>(width, {.a = tile.dy_panels + row / tile_rows * (units * tile_rows + dy_panel_gap),
                           .a_row_bytes = 4,
                           .a_unit_bytes = 4 * tile_rows,
                           .b = tile.x_panels + column * units,
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
  bool add = g.accumulate;
  for (std::int64_t sequence = 0; sequence < g.sequences; ++sequence)
    for (std::int64_t position = 0; position < g.positions; position += piece_positions) {
      const Piece piece{sequence * g.positions + position, smaller(piece_positions, g.positions - position)};
      const std::int64_t units = divide_up(piece.positions, pair_of<T>);
      pack_dy<T>(tile, piece);
      pack_x<T>(tile, piece);
      for (std::int64_t c = 0; c < tile.columns; c += panel_columns)
        for (std::int64_t r = 0; r < tile.rows; r += tile_rows) multiply_panels<T>(tile, r, c, units, add);
      add = true;
    }
}

}  // namespace

void weight_tile(const WeightTile& tile) {
  if (tile.gradient->dy.type == Element::bf16) weight_tile_as<std::uint16_t>(tile);
  else weight_tile_as<float>(tile);
}

}  // namespace hone::kernel::HONE_ISA
