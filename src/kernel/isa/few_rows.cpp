// Dot products of rows of A, which stay in the first-level cache, with rows of B as they come from memory.
#include "kernel/isa/few_rows_isa.hpp"

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

template <class T>
HONE_INLINE F multiply_add(F x, F w, F sum) {
#if defined(__AVX512BF16__)
  if constexpr (pair_of<T> == 2) return (F)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
#endif
  return fma(x, w, sum);
}

// out[r * tile_columns + j] = A[r] . B[j]
template <class T, int rows, int b_rows>
HONE_INLINE void dot(const T* a, std::int64_t a_stride, const T* b, std::int64_t b_stride, std::int64_t K,
                     float* out) {
  constexpr std::int64_t vector = lanes * pair_of<T>, step = parts * vector;
  // Unrolled by order: around a tail that is not, g++ 12 keeps the sums in memory and clears them by `rep
  // stos` for every row, 6 % of the speed at K = 768.
  F sum[rows][b_rows][parts] = {};
  const auto add = [&](int part, std::int64_t from, std::int64_t n) __attribute__((always_inline)) {
    F x[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) x[r] = units_along(a + r * a_stride + from, n);
#pragma GCC unroll 4
    for (int j = 0; j < b_rows; ++j) {
      const F w = units_along(b + j * b_stride + from, n);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) sum[r][j][part] = multiply_add<T>(x[r], w, sum[r][j][part]);
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

template <class T, int rows>
void multiply_rows(const Gemm& g, std::int64_t row, std::int64_t first, std::int64_t count) {
  constexpr int together = b_rows_at_once<rows>;
  const T* a = static_cast<const T*>(g.a.data) + row * g.a_stride;
  const T* b = static_cast<const T*>(g.b.data) + first * g.b_stride;
  alignas(64) float tile[rows * tile_columns] = {};
  std::int64_t j = 0;
  for (; j + together <= count; j += together)
    dot<T, rows, together>(a, g.a_stride, b + j * g.b_stride, g.b_stride, g.K, tile + j);
  for (; j < count; ++j) dot<T, rows, 1>(a, g.a_stride, b + j * g.b_stride, g.b_stride, g.K, tile + j);
  finish_tile(g, {row, first, rows, count}, tile, tile_columns);
}

template <class T>
void multiply_columns(const Gemm& g, std::int64_t first, std::int64_t count) {
  for (std::int64_t c = 0; c < count; c += tile_columns) {
    const std::int64_t columns = smaller(tile_columns, count - c);
    for (std::int64_t row = 0; row < g.M; row += most_rows) switch (smaller(most_rows, g.M - row)) {
        case 1:
          multiply_rows<T, 1>(g, row, first + c, columns);
          break;
        case 2:
          multiply_rows<T, 2>(g, row, first + c, columns);
          break;
        case 3:
          multiply_rows<T, 3>(g, row, first + c, columns);
          break;
        default:
          multiply_rows<T, most_rows>(g, row, first + c, columns);
      }
  }
}

void columns(const Gemm& g, std::int64_t first, std::int64_t count) {
  typed(g.a, [&]<class T>(const T*) { multiply_columns<T>(g, first, count); });
}

}  // namespace

const FewRowsTable few_rows_table{columns};

}  // namespace hone::kernel::HONE_ISA
