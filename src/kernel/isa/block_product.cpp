// Products with a weight of which blocks of some rows of one column are kept. Of many rows of x a vector has
// the values of one column, so that each kept column is a load for all rows of its block, and a result is
// the chain of multiply-adds that a dense product has, without its zeros. Of few rows of x a vector has rows
// of the block, and a strip is read as it comes from memory.
#include "kernel/isa/block_product_isa.hpp"

#include "kernel/isa/gemm_epilogue.hpp"
#include "kernel/isa/transpose.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

#if defined(__AVX512BF16__)
constexpr bool has_pairs = true;
#else
constexpr bool has_pairs = false;  // bf16 is widened, and units are f32
#endif

// Vectors of rows of x beside four rows of the weight, as registers allow. (Eight rows by half of the vectors
// are no faster for blocks of 16: most of the rest is the write of C, and x turned.)
#if defined(__AVX512F__)
constexpr int tile_vectors = 4;
#else
constexpr int tile_vectors = 2;
#endif
constexpr int tile_rows = 4;

template <bool pairs>
HONE_INLINE F add_unit(F x, F w, F sum) {
#if defined(__AVX512BF16__)
  if constexpr (pairs) {
    __m512bh a, b;
    std::memcpy(&a, &x, sizeof a), std::memcpy(&b, &w, sizeof b);
    return (F)_mm512_dpbf16_ps((__m512)sum, a, b);
  }
#endif
  return fma(x, w, sum);
}

struct Strip {
  const std::uint16_t* columns;
  const float* units;
  std::int64_t count;
};
template <bool pairs>
HONE_INLINE Strip strip_of(const BlockProduct& p, std::int64_t i) {
  const StripPlace& place = reinterpret_cast<const StripPlace*>(p.stream)[p.first_strip + i];
  const auto count = static_cast<std::int64_t>(place.units);
  const std::byte* at = p.stream + place.at;
  return {reinterpret_cast<const std::uint16_t*>(at),
          reinterpret_cast<const float*>(at + (count * (pairs ? 4 : 2) + 63) / 64 * 64), count};
}

// --- x -----------------------------------------------------------------------------------------------------

// Elements of a tile of pairs stand so that two columns, unpacked into each other, give rows in order.
HONE_INLINE std::int64_t place_in_pairs(std::int64_t row) {
  return row / 32 * 32 + row % 16 / 4 * 8 + row % 32 / 16 * 4 + row % 4;
}

HONE_INLINE void put_column(float* to, std::int64_t row, F v) { store(to + row, v); }
HONE_INLINE void put_column(bf16* to, std::int64_t row, F v) {
  bf16 some[lanes];
  store_exact(some, v);
  for (int i = 0; i < lanes; i += 4) std::memcpy(to + place_in_pairs(row + i), some + i, 4 * sizeof(bf16));
}

template <class T, class From>
void transpose_tile(const From* x, std::int64_t stride, std::int64_t rows, std::int64_t K, T* to) {
  for (std::int64_t row = 0; row < block_tile; row += lanes)
    for (std::int64_t k = 0; k < K; k += lanes) {
      const std::int64_t columns = K - k < lanes ? K - k : lanes;
      F m[lanes];
      for (int i = 0; i < lanes; ++i) {
        if (row + i >= rows)
          m[i] = F{};
        else if (columns == lanes)
          m[i] = load(x + (row + i) * stride + k);
        else
          m[i] = load_first(x + (row + i) * stride + k, static_cast<int>(columns));
      }
      HONE_ISA::transpose(m);
      for (std::int64_t i = 0; i < columns; ++i) put_column(to + (k + i) * block_tile, row, m[i]);
    }
  for (std::int64_t i = 0; i < block_tile; ++i) to[K * block_tile + i] = T{};
}

template <class T, class From>
void copy_rows(const From* x, std::int64_t stride, std::int64_t rows, std::int64_t K, T* to) {
  for (std::int64_t r = 0; r < rows; ++r, x += stride, to += K + 1) {
    each(K, [&](std::int64_t k, auto part) { put(to + k, get(x + k, part), part); });
    to[K] = T{};
  }
}

void copy(In x, std::int64_t stride, std::int64_t rows, const BlockProduct& p, void* to) {
  typed(x, [&](auto* from) {
    if (p.pairs)
      copy_rows(from, stride, rows, p.product.K, static_cast<bf16*>(to));
    else
      copy_rows(from, stride, rows, p.product.K, static_cast<float*>(to));
  });
}
void transpose(In x, std::int64_t stride, std::int64_t rows, const BlockProduct& p, void* to) {
  typed(x, [&](auto* from) {
    if (p.pairs)
      transpose_tile(from, stride, rows, p.product.K, static_cast<bf16*>(to));
    else
      transpose_tile(from, stride, rows, p.product.K, static_cast<float*>(to));
  });
}

// --- many rows of x ----------------------------------------------------------------------------------------

// Rows from `first` on of a unit's columns.
template <bool pairs, int vectors>
HONE_INLINE void load_unit(const void* x, const std::uint16_t* columns, std::int64_t first, F (&v)[vectors]) {
  if constexpr (!pairs) {
    const float* row = static_cast<const float*>(x) + columns[0] * block_tile + first;
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i) v[i] = load(row + i * lanes);
  } else {
#if defined(__AVX512BF16__)
    const auto* even = static_cast<const bf16*>(x) + columns[0] * block_tile + first;
    const auto* odd = static_cast<const bf16*>(x) + columns[1] * block_tile + first;
#pragma GCC unroll 2
    for (int i = 0; i < vectors / 2; ++i) {
      const __m512i a = _mm512_loadu_si512(even + 32 * i), b = _mm512_loadu_si512(odd + 32 * i);
      v[2 * i] = (F)_mm512_unpacklo_epi16(a, b);
      v[2 * i + 1] = (F)_mm512_unpackhi_epi16(a, b);
    }
#endif
  }
}

// sums[tile_rows][block_tile] of some rows of a strip, whose units have `apart` rows.
template <bool pairs, int vectors>
HONE_INLINE void multiply_rows(const Strip& s, const float* units, std::int64_t apart, const void* x,
                               std::int64_t rows, float* sums) {
  for (std::int64_t first = 0; first < rows; first += vectors * lanes) {
    F sum[tile_rows][vectors] = {};
    const float* w = units;
    const std::uint16_t* columns = s.columns;
    for (std::int64_t u = 0; u < s.count; ++u, w += apart, columns += pairs ? 2 : 1) {
      F v[vectors];
      load_unit<pairs, vectors>(x, columns, first, v);
#pragma GCC unroll 4
      for (int r = 0; r < tile_rows; ++r) {
        const F one = splat(w[r]);
#pragma GCC unroll 4
        for (int i = 0; i < vectors; ++i) sum[r][i] = add_unit<pairs>(v[i], one, sum[r][i]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < tile_rows; ++r)
#pragma GCC unroll 4
      for (int i = 0; i < vectors; ++i) store(sums + r * block_tile + first + i * lanes, sum[r][i]);
  }
}

template <bool pairs, int vectors>
void multiply_strips(const BlockProduct& p, std::int64_t column, std::int64_t columns, const void* x,
                     std::int64_t rows, float* sums) {
  for (std::int64_t c = 0; c < columns; c += p.block_rows) {
    const Strip s = strip_of<pairs>(p, (column + c) / p.block_rows);
    for (std::int64_t r = 0; r < p.block_rows; r += tile_rows)
      multiply_rows<pairs, vectors>(s, s.units + r, p.block_rows, x, rows, sums + (c + r) * block_tile);
  }
}

template <bool pairs>
void multiply_tile(const BlockProduct& p, std::int64_t column, std::int64_t tile, void* scratch) {
  const Gemm& g = p.product;
  const std::int64_t row = tile * block_tile, rows = smaller(g.M - row, block_tile),
                     columns = smaller(g.N - column, block_tile);
  const auto* x = static_cast<const std::byte*>(p.x) + row * (g.K + 1) * p.x_bytes();
  auto *sums = static_cast<float*>(scratch), *turned = sums + block_tile * block_tile;
  constexpr int fewest = pairs ? 2 : 1;  // vectors that a unit comes in
  if (rows <= fewest * lanes)
    multiply_strips<pairs, fewest>(p, column, columns, x, rows, sums);
  else
    multiply_strips<pairs, tile_vectors>(p, column, columns, x, rows, sums);
  for (std::int64_t c = 0; c < columns; c += lanes)
    for (std::int64_t r = 0; r < rows; r += lanes) {
      F m[lanes];
      for (int i = 0; i < lanes; ++i) m[i] = load(sums + (c + i) * block_tile + r);
      HONE_ISA::transpose(m);
      for (int i = 0; i < lanes; ++i) store(turned + (r + i) * block_tile + c, m[i]);
    }
  finish_tile(g, {row, column, rows, columns}, turned, block_tile);
}

// --- few rows of x -----------------------------------------------------------------------------------------

HONE_INLINE float unit_at(const float* x, const std::uint16_t* columns) { return x[columns[0]]; }
HONE_INLINE float unit_at(const bf16* x, const std::uint16_t* columns) {
  const std::uint32_t both = x[columns[0]].bits | std::uint32_t{x[columns[1]].bits} << 16;
  float unit;
  std::memcpy(&unit, &both, sizeof unit);
  return unit;
}

// Vector v of units_together units of x, each of them once for each row of a block.
template <int rows, class T>
HONE_INLINE F spread(const T* x, const std::uint16_t* columns, int v) {
  constexpr int step = sizeof(T) == 2 ? 2 : 1;
  const auto unit = [&](int u) __attribute__((always_inline)) { return unit_at(x, columns + u * step); };
  if constexpr (rows >= lanes) return splat(unit(v * lanes / rows));
#if defined(__AVX512F__)
  else if constexpr (lanes == 16)
    return (F)_mm512_permutexvar_ps(_mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0),
                                    _mm512_castps128_ps512(_mm_set_ps(unit(3), unit(2), unit(1), unit(0))));
#elif defined(__AVX2__)
  else
    return (F)_mm256_set_m128(_mm_set1_ps(unit(2 * v + 1)), _mm_set1_ps(unit(2 * v)));
#endif
}

// out[rows]: four sums, of every fourth unit, that are added in a fixed tree.
template <bool pairs, int rows, class T>
HONE_INLINE void few_strip(const Strip& s, const T* x, float* out) {
  constexpr int vectors = units_together * rows / lanes, step = pairs ? 2 : 1;
  F sum[vectors] = {};
  const std::uint16_t* columns = s.columns;
  const float* w = s.units;
  for (std::int64_t u = 0; u < s.count; u += units_together) {
    __builtin_prefetch(w + 1024), __builtin_prefetch(w + 1024 + units_together * rows / 2);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v)
      sum[v] = add_unit<pairs>(spread<rows>(x, columns, v), load(w + v * lanes), sum[v]);
    columns += units_together * step, w += units_together * rows;
  }
  float part[units_together][rows];
  std::memcpy(part, sum, sizeof part);
  for (int r = 0; r < rows; ++r) out[r] = (part[0][r] + part[2][r]) + (part[1][r] + part[3][r]);
}

template <bool pairs, int block_rows>
void multiply_few(const BlockProduct& p, std::int64_t column, std::int64_t tile, void* scratch) {
  using T = std::conditional_t<pairs, bf16, float>;
  const Gemm& g = p.product;
  const std::int64_t row = tile * block_tile, rows = smaller(g.M - row, block_tile),
                     columns = smaller(g.N - column, block_tile);
  const T* x = static_cast<const T*>(p.x) + row * (g.K + 1);
  auto* sums = static_cast<float*>(scratch);
  for (std::int64_t c = 0; c < columns; c += block_rows) {
    const Strip s = strip_of<pairs>(p, (column + c) / block_rows);
    for (std::int64_t r = 0; r < rows; ++r)
      few_strip<pairs, block_rows>(s, x + r * (g.K + 1), sums + r * block_tile + c);
  }
  finish_tile(g, {row, column, rows, columns}, sums, block_tile);
}

template <bool pairs>
void multiply_as(const BlockProduct& p, std::int64_t column, std::int64_t tile, void* scratch) {
  if (!p.few) return multiply_tile<pairs>(p, column, tile, scratch);
  if (p.block_rows == 16) return multiply_few<pairs, 16>(p, column, tile, scratch);
  multiply_few<pairs, 4>(p, column, tile, scratch);
}
void multiply(const BlockProduct& p, std::int64_t column, std::int64_t tile, void* scratch) {
  if constexpr (has_pairs)
    if (p.pairs) return multiply_as<true>(p, column, tile, scratch);
  multiply_as<false>(p, column, tile, scratch);
}

}  // namespace

const BlockTable block_table{.copy = copy, .transpose = transpose, .multiply = multiply};

}  // namespace hone::kernel::HONE_ISA
