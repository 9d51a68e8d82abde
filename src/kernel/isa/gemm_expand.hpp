// Panels of a B whose elements are not A's: narrower ones, or blocks of a quantized weight. They are expanded
// to f32, or where products take pairs of bf16 rounded to those, some rows at a time in the first-level
// cache.
#pragma once
#include <type_traits>

#include "kernel/isa/expand.hpp"
#include "kernel/isa/gemm_pack.hpp"

namespace hone::kernel::HONE_ISA {

constexpr std::int64_t longest_block = 256;

// `count` elements of a row of B from `first` on, which begins a block.
[[gnu::noinline]] inline void expand_part(const Gemm& g, std::int64_t row, std::int64_t first,
                                          std::int64_t count, float* to) {
  const std::int64_t at = row * row_bytes(g.b.type, g.b_stride) + row_bytes(g.b.type, first);
  const In part{static_cast<const char*>(g.b.data) + at, g.b.type};
  if (is_blocks(g.b.type)) return expand_blocks(part, count, to);
  typed(part,
        [&](auto* from) { each(count, [&](std::int64_t i, auto p) { put(to + i, get(from + i, p), p); }); });
}
[[gnu::noinline]] inline void expand_part(const Gemm& g, std::int64_t row, std::int64_t first,
                                          std::int64_t count, bf16* to) {
  alignas(64) float wide[longest_block];
  for (std::int64_t i = 0; i < count; i += longest_block) {
    const std::int64_t some = smaller(longest_block, count - i);
    expand_part(g, row, first + i, some, wide);
    each(some, [&](std::int64_t j, auto p) { put(to + i + j, get(wide + j, p), p); });
  }
}

template <class Unit>
[[gnu::noinline]] void pack_expanded_columns(const Gemm& g, const GemmBlock& block, std::int64_t k,
                                             std::int64_t k_count) {
  const std::int64_t panel = panel_units(divide_up(k_count, pair_of<Unit>));
  alignas(64) Unit rows[lanes * longest_block];
  for (std::int64_t c = 0; c < block.columns; c += lanes) {
    const std::int64_t in_panel = c % panel_columns, columns = smaller(lanes, block.columns - c),
                       width = round_up(smaller(panel_columns, block.columns - (c - in_panel)), lanes);
    float* out = reinterpret_cast<float*>(block.panels) + c / panel_columns * panel + in_panel;
    for (std::int64_t s = 0; s < k_count; s += longest_block) {
      const std::int64_t count = smaller(longest_block, k_count - s);
      for (std::int64_t i = 0; i < columns; ++i)
        expand_part(g, block.first_column + c + i, k + s, count, rows + i * longest_block);
      pack_lanes(rows, longest_block, count, columns, width, out + s / pair_of<Unit> * width);
    }
  }
}

template <class Unit>
[[gnu::noinline]] void pack_expanded_rows(const Gemm& g, const GemmBlock& block, std::int64_t k,
                                          std::int64_t k_count) {
  constexpr std::int64_t some_rows = 8, some_columns = 4 * panel_columns;
  constexpr std::int64_t room = some_columns + 2 * longest_block;  // blocks that reach out on both sides
  const std::int64_t panel = panel_units(divide_up(k_count, pair_of<Unit>)),
                     whole = packing(g.b.type).elements;
  alignas(64) Unit rows[some_rows * room];
  for (std::int64_t c = 0; c < block.columns; c += some_columns) {
    const std::int64_t columns = smaller(some_columns, block.columns - c);
    const std::int64_t before = (block.first_column + c) % whole, first = block.first_column + c - before;
    float* out = reinterpret_cast<float*>(block.panels) + c / panel_columns * panel;
    for (std::int64_t r = 0; r < k_count; r += some_rows) {
      const std::int64_t count = smaller(some_rows, k_count - r);
      for (std::int64_t i = 0; i < count; ++i)
        expand_part(g, k + r + i, first, round_up(before + columns, whole), rows + i * room);
      // The last panel is narrower: its rows do not lie panel_columns apart.
      const std::int64_t wide = columns / panel_columns * panel_columns, units = r / pair_of<Unit>;
      auto* to = reinterpret_cast<std::uint32_t*>(out);
      if (wide) pack_rows(rows + before, room, count, wide, panel, to + units * panel_columns);
      if (wide < columns)
        pack_rows(rows + before + wide, room, count, columns - wide, panel,
                  to + wide / panel_columns * panel + units * round_up(columns - wide, lanes));
    }
  }
}

template <class T>
HONE_INLINE void pack_expanded(const Gemm& g, const GemmBlock& block, std::int64_t k, std::int64_t k_count) {
  using Unit = std::conditional_t<pair_of<T> == 2, bf16, float>;
  if (g.b_transposed)
    pack_expanded_columns<Unit>(g, block, k, k_count);
  else
    pack_expanded_rows<Unit>(g, block, k, k_count);
}

}  // namespace hone::kernel::HONE_ISA
