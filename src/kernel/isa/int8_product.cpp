// Products of rows in int8 with panels of a weight in int8: tiles of whole numbers, which are scaled and
// finished as those of any product.
#include "kernel/isa/code_unit.hpp"
#include "kernel/isa/gemm_epilogue.hpp"
#include "kernel/isa/int8_product_isa.hpp"
#include "kernel/isa/int8_tile.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

HONE_INLINE void store_unsigned(std::uint8_t* to, I whole, std::int64_t n) {
  std::uint8_t bytes[lanes];
#if defined(__AVX512F__)
  if (n >= lanes)
    return _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                            _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)whole));
#endif
  for (int i = 0; i < lanes; ++i) bytes[i] = static_cast<std::uint8_t>(whole[i]);
  std::memcpy(to, bytes, static_cast<std::size_t>(smaller(lanes, n)));
}

template <class T>
HONE_INLINE void quantize_row(const T* x, std::int64_t width, std::uint8_t* codes, float* scale) {
  F most{}, zeros[sum_parts] = {};
  each_summed(width, [&](std::int64_t i, int part, auto which) {
    const F v = get(x + i, which);
    most = max(most, magnitude(v));
    zeros[part] += v * splat(0.0f);  // or NaN, which no code would show
  });
  const float largest = max(most);
  *scale = largest / 127.0f + sum(zeros);
  const F inverse = splat(largest > 0 ? 127.0f / largest : 0.0f);
  each(width, [&](std::int64_t i, auto which) {
    const I code = __builtin_convertvector(rounded_whole(get(x + i, which) * inverse), I) + 128;
    store_unsigned(codes + i, code, width - i);
  });
  for (std::int64_t i = width; i < int8_row(width); ++i) codes[i] = 128;
}

void quantize_rows(In x, std::int64_t width, std::int64_t stride, std::int64_t first, std::int64_t rows,
                   const Int8Rows& to) {
  typed(x, [&](auto* all) {
    for (std::int64_t r = first; r < first + rows; ++r)
      quantize_row(all + r * stride, width, to.codes + r * to.K, to.scales + r);
  });
}

// Sums of codes' products [rows][48] become numbers, where they stand. What the rows' codes have too much,
// 128 each, is taken off with the sums of the weight's codes, where the tile has not done so.
HONE_INLINE void scale_tile(const std::byte* panel, const float* row_scales, std::int64_t rows,
                            std::int32_t* tile) {
  for (std::int64_t j = 0; j < int8_panel_rows; j += lanes) {
    I sums;
    std::memcpy(&sums, panel + 4 * (int8_panel_rows + j), sizeof sums);
    const F scales = load(reinterpret_cast<const float*>(panel) + j);
    const I off = int8_codes_above_zero ? sums << 7 : I{};
    for (std::int64_t r = 0; r < rows; ++r) {
      I whole;
      std::memcpy(&whole, tile + r * int8_panel_rows + j, sizeof whole);
      const F s = __builtin_convertvector(whole - off, F) * (scales * splat(row_scales[r]));
      std::memcpy(tile + r * int8_panel_rows + j, &s, sizeof s);
    }
  }
}

// Each tile of rows of a panel fetches its part of the next one.
HONE_INLINE Fetch fetch_of(const Int8Block& b, std::int64_t panel, std::int64_t row) {
  const std::int64_t bytes = int8_panel_bytes(b.a.K), tiles = (b.rows + int8_rows - 1) / int8_rows;
  const std::byte* next = panel + 1 < b.first_panel + b.panel_count ? b.panels + (panel + 1) * bytes
                                                                    : b.panels + b.next_panel * bytes;
  return {next + row / int8_rows * (bytes / tiles), (4 * bytes / tiles + b.a.K - 1) / b.a.K};
}

void multiply(const Int8Block& b) {
  const std::int64_t K = b.a.K;
  auto* tile = reinterpret_cast<std::int32_t*>(b.scratch);
  auto* copy = reinterpret_cast<std::uint8_t*>(b.scratch + int8_tile_bytes);
  for (std::int64_t p = b.first_panel; p < b.first_panel + b.panel_count; ++p) {
    const std::byte* panel = b.panels + p * int8_panel_bytes(K);
    const std::int64_t column = p * int8_panel_rows;
    for (std::int64_t r = 0; r < b.rows; r += int8_rows) {
      const std::int64_t rows = smaller(int8_rows, b.rows - r), row = b.first_row + r;
      const std::uint8_t* a = b.a.codes + row * K;
      if (rows < int8_rows) {  // the tile's other rows are read too
        std::memset(copy, 128, static_cast<std::size_t>(int8_rows * K));
        std::memcpy(copy, a, static_cast<std::size_t>(rows * K));
        a = copy;
      }
      multiply_int8(a, K, panel + int8_panel_head, tile, fetch_of(b, p, r));
      scale_tile(panel, b.a.scales + row, rows, tile);
      finish_tile(b.product, {b.c_row + r, column, rows, smaller(int8_panel_rows, b.product.N - column)},
                  reinterpret_cast<const float*>(tile), int8_panel_rows);
    }
  }
}

}  // namespace

const Int8Table int8_table{.quantize_rows = quantize_rows, .multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
