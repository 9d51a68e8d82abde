// Dot products of rows of A, which stay in the first-level cache, with rows of B as they come from memory.
// What is narrower than f32 is widened on the way; blocks meet A's rows as codes (block_dot.hpp).
#include "kernel/isa/few_rows_isa.hpp"

#include <type_traits>

#include "kernel/isa/block_dot.hpp"
#include "kernel/isa/gemm_epilogue.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// A sum over k has twice 16 partial sums: unit u of k goes to number u % 32, in vector u / lanes % parts.
constexpr int parts = 2 * sum_parts;
constexpr std::int64_t most_rows = 4;  // of A at a time: more would not fit the registers

// Results that pass through the epilogue together: 16 at a time cost a tenth of the speed.
constexpr std::int64_t tile_columns = 64;

// Accumulators are rows x rows of B x parts; their chains hide each other's latency.
constexpr int accumulators = lanes == 16 ? 16 : 8;
template <int rows>
constexpr int b_rows_at_once = rows == 1 ? 4
                               : accumulators / parts / (rows == 3 ? 4 : rows) > 0
                                   ? accumulators / parts / (rows == 3 ? 4 : rows)
                                   : 1;

template <int pair>
HONE_INLINE F multiply_add(F x, F w, F sum) {
#if defined(__AVX512BF16__)
  if constexpr (pair == 2) return (F)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
#endif
  return fma(x, w, sum);
}

// out[r * tile_columns + j] = A[r] . B[j]
template <class A, class B, int rows, int b_rows>
HONE_INLINE void dot(const A* a, std::int64_t a_stride, const B* b, std::int64_t b_stride, std::int64_t K,
                     float* out) {
  constexpr int pair = std::is_same_v<A, B> ? pair_of<B> : 1;
  constexpr std::int64_t vector = lanes * pair, step = parts * vector;
  // Unrolled by order: around a tail that is not, g++ 12 keeps the sums in memory and clears them by `rep
  // stos` for every row, 6 % of the speed at K = 768.
  F sum[rows][b_rows][parts] = {};
  const auto add = [&](int part, std::int64_t from, std::int64_t n) __attribute__((always_inline)) {
    F x[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) x[r] = units_along<pair>(a + r * a_stride + from, n);
#pragma GCC unroll 4
    for (int j = 0; j < b_rows; ++j) {
      const F w = units_along<pair>(b + j * b_stride + from, n);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) sum[r][j][part] = multiply_add<pair>(x[r], w, sum[r][j][part]);
    }
  };
  std::int64_t k = 0;
  for (; k + step <= K; k += step)
#pragma GCC unroll 8
    for (int part = 0; part < parts; ++part) add(part, k + part * vector, vector);
#pragma GCC unroll 8
  for (int part = 0; part < parts; ++part, k += vector)
    if (k < K) add(part, k, K - k);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < b_rows; ++j) {
      F sixteen[sum_parts];
      for (int part = 0; part < sum_parts; ++part)
        sixteen[part] = sum[r][j][part] + sum[r][j][sum_parts + part];
      out[r * tile_columns + j] = HONE_ISA::sum(sixteen);
    }
}

// tile[r * tile_columns + j]: row `row` + r of A times row `first` + j of B.
template <class A, class B, int rows>
HONE_INLINE void fill_tile(const Gemm& g, std::int64_t row, std::int64_t first, std::int64_t count,
                           float* tile) {
  constexpr int together = b_rows_at_once<rows>;
  const A* a = static_cast<const A*>(g.a.data) + row * g.a_stride;
  const B* b = static_cast<const B*>(g.b.data) + first * g.b_stride;
  std::int64_t j = 0;
  for (; j + together <= count; j += together)
    dot<A, B, rows, together>(a, g.a_stride, b + j * g.b_stride, g.b_stride, g.K, tile + j);
  for (; j < count; ++j) dot<A, B, rows, 1>(a, g.a_stride, b + j * g.b_stride, g.b_stride, g.K, tile + j);
}

// Tiles of C, of at most most_rows rows; `fill` makes one, with its rows as a constant.
template <class Fill>
HONE_INLINE void each_tile(const Gemm& g, std::int64_t first, std::int64_t count, const Fill& fill) {
  for (std::int64_t c = 0; c < count; c += tile_columns) {
    const std::int64_t columns = smaller(tile_columns, count - c);
    for (std::int64_t row = 0; row < g.M; row += most_rows) {
      alignas(64) float tile[most_rows * tile_columns] = {};
      const std::int64_t rows = smaller(most_rows, g.M - row);
      switch (rows) {
        case 1:
          fill.template operator()<1>(row, first + c, columns, tile);
          break;
        case 2:
          fill.template operator()<2>(row, first + c, columns, tile);
          break;
        case 3:
          fill.template operator()<3>(row, first + c, columns, tile);
          break;
        default:
          fill.template operator()<most_rows>(row, first + c, columns, tile);
      }
      finish_tile(g, {row, first + c, rows, columns}, tile, tile_columns);
    }
  }
}

template <class A, class B>
void multiply_columns(const Gemm& g, std::int64_t first, std::int64_t count) {
  each_tile(g, first, count, [&]<int rows>(std::int64_t row, std::int64_t from, std::int64_t n, float* tile) {
    fill_tile<A, B, rows>(g, row, from, n, tile);
  });
}

void columns(const Gemm& g, std::int64_t first, std::int64_t count) {
  typed(g.b, [&]<class B>(const B*) {
    if (g.a.type == g.b.type)
      multiply_columns<B, B>(g, first, count);
    else
      multiply_columns<float, B>(g, first, count);
  });
}

void coded_columns(const Gemm& g, const CodedRows& a, std::int64_t first, std::int64_t count) {
  const std::uint8_t* b = static_cast<const std::uint8_t*>(g.b.data);
  const std::int64_t stride = row_bytes(g.b.type, g.b_stride);
  format_of(g.b.type, [&]<Element e>() {
    each_tile(g, first, count,
              [&]<int rows>(std::int64_t row, std::int64_t from, std::int64_t n, float* tile) {
                for (std::int64_t j = 0; j < n; ++j)
                  block_dot<e, rows>(b + (from + j) * stride, a, row, tile + j, tile_columns);
              });
  });
}

}  // namespace

const FewRowsTable few_rows_table{.columns = columns, .coded_columns = coded_columns};

}  // namespace hone::kernel::HONE_ISA
