// C = A B by blocks: pack a panel of B, then pass all rows of A over it tile by tile.
#include "kernel/isa/gemm_isa.hpp"

#include "kernel/isa/gemm_epilogue.hpp"
#include "kernel/isa/gemm_expand.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

template <class T>
void pack_panels(const Gemm& g, const GemmBlock& block, std::int64_t k, std::int64_t k_count) {
  if (g.b.type != g.a.type) return pack_expanded<T>(g, block, k, k_count);
  const T* b = static_cast<const T*>(g.b.data);
  const std::int64_t panel = panel_units(divide_up(k_count, pair_of<T>));
  if (!g.b_transposed)
    return pack_rows(b + k * g.b_stride + block.first_column, g.b_stride, k_count, block.columns, panel,
                     block.panels);
  for (std::int64_t c = 0; c < block.columns; c += panel_columns) {
    const std::int64_t columns = smaller(panel_columns, block.columns - c);
    pack_transposed(b + (block.first_column + c) * g.b_stride + k, g.b_stride, k_count, columns,
                    round_up(columns, lanes), block.panels + c / panel_columns * panel);
  }
}

struct RowUnits {
  const void* data;
  std::int64_t row_bytes;
};

// tile_rows rows of A as units: where they lie, or a copy where rows are missing, where an odd k lacks its
// other half, or where 16 bits have to be widened.
template <class T>
RowUnits prepare_rows(const Gemm& g, std::int64_t row, std::int64_t rows, std::int64_t k,
                      std::int64_t k_count, std::uint32_t* copy) {
  const T* a = static_cast<const T*>(g.a.data) + row * g.a_stride + k;
  constexpr bool in_place = sizeof(T) * pair_of<T> == 4;
  if (in_place && rows == tile_rows && k_count % pair_of<T> == 0)
    return {a, g.a_stride * static_cast<std::int64_t>(sizeof(T))};
  const std::int64_t units = divide_up(k_count, pair_of<T>), stride = round_up(units, lanes);
  for (std::int64_t r = 0; r < tile_rows; ++r)
    for (std::int64_t u = 0; u < units; u += lanes) {
      const std::int64_t at = u * pair_of<T>;
      const F x = r < rows ? units_along(a + r * g.a_stride + at, k_count - at) : F{};
      store(reinterpret_cast<float*>(copy) + r * stride + u, x);
    }
  return {copy, stride * 4};
}

// One row of tiles: rows of A times every panel of the block, for one block of k.
template <class T>
void multiply_rows(const Gemm& g, const GemmBlock& block, std::int64_t row, std::int64_t k,
                   std::int64_t k_count) {
  const std::int64_t first = block.first_row + row, rows = smaller(tile_rows, block.rows - row);
  const std::int64_t units = divide_up(k_count, pair_of<T>);
  const bool plain = is_plain(g), last = k + k_count == g.K, one_block = g.K <= block.k_block;
  const RowUnits a = prepare_rows<T>(g, first, rows, k, k_count, block.row_copy);
  float* partial = block.partial + (one_block ? 0 : row * block.most_columns);
  for (std::int64_t c = 0; c < block.columns; c += panel_columns) {
    const std::int64_t columns = smaller(panel_columns, block.columns - c), width = round_up(columns, lanes);
    const std::int64_t column = block.first_column + c;
    const bool direct = plain && rows == tile_rows && columns == width;
    float* tile =
        direct ? static_cast<float*>(g.c.data) + first * g.c_stride + column : partial + c * tile_rows;
    const std::int64_t stride = direct ? g.c_stride : width;
    multiply_tile<T>(width, {.a = a.data,
                             .a_row_bytes = a.row_bytes,
                             .a_unit_bytes = 4,
                             .b = block.panels + c / panel_columns * panel_units(units),
                             .units = units,
                             .c = tile,
                             .c_stride = stride,
                             .from_c = k > 0,
                             .add_to_c = false});
    if (last && !direct) finish_tile(g, {first, column, rows, columns}, tile, stride);
  }
}

template <class T>
void multiply_block_as(const Gemm& g, const GemmBlock& block) {
  for (std::int64_t k = 0; k < g.K; k += block.k_block) {
    const std::int64_t k_count = smaller(block.k_block, g.K - k);
    pack_panels<T>(g, block, k, k_count);
    for (std::int64_t row = 0; row < block.rows; row += tile_rows)
      multiply_rows<T>(g, block, row, k, k_count);
  }
}

void multiply_block(const Gemm& g, const GemmBlock& block) {
  typed(g.a, [&]<class T>(const T*) { multiply_block_as<T>(g, block); });
}

}  // namespace

void weight_tile(const WeightTile& tile);

const GemmTable gemm_table{.tile_rows = tile_rows,
                           .lanes = lanes,
                           .panel_columns = panel_columns,
                           .fewest_panels = fewest_panels,
                           .bf16_pair = bf16_pair,
                           .multiply_block = multiply_block,
                           .weight_tile = weight_tile};

}  // namespace hone::kernel::HONE_ISA
