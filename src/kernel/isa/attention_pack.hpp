// Operands of attention_product.hpp from the rows of one head, zero where a row or a column does not exist:
//   rows:       [row][unit of D]            read by broadcasts, sum over D
//   pairs:      [pair of rows][D]           a unit holds two rows' elements (bf16), sum over rows
//   transposed: [unit of D][64 rows]        rows in lanes, sum over D
// For f32 (and what is widened to it) rows and pairs are the same.
#pragma once
#include "kernel/isa/attention_isa.hpp"
#include "kernel/isa/attention_product.hpp"
#include "kernel/isa/loops.hpp"
#include "kernel/isa/transpose.hpp"

namespace hone::kernel::HONE_ISA {

// Places in a worker's scratch, each on a cache line. With a null base it only counts.
struct Carver {
  char* base;
  Index used = 0;
  HONE_INLINE float* take(Index floats) {
    char* at = base ? base + used : nullptr;
    used += round_up(floats * 4, 64);
    return reinterpret_cast<float*>(at);
  }
};

template <class Type>
HONE_INLINE const typename Type::Element* row_at(const AttentionRows& rows, Index r) {
  const auto* data = static_cast<const typename Type::Element*>(rows.data);
  if (!rows.table) return data + r * rows.stride;
  return data + (rows.table[r / rows.block] * rows.block + r % rows.block) * rows.stride;
}

// Rows of a cache in codes of eight bits, a factor in front of each.
struct Code {
  std::int8_t value;
};
struct Coded {
  using Element = Code;
};
HONE_INLINE F load(const Code* p) {
#if defined(__AVX512F__)
  const __m512i whole = _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p));
  return (F)_mm512_maskz_cvtepi32_ps(0xffff, whole);
#elif defined(__AVX2__)
  return (F)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#else
  return F{float(p[0].value), float(p[1].value), float(p[2].value), float(p[3].value)};
#endif
}
template <class Row>
constexpr bool has_codes = false;
template <>
constexpr bool has_codes<Coded> = true;

HONE_INLINE float factor_of(const Code* codes) {
  float factor;
  std::memcpy(&factor, codes - sizeof factor, sizeof factor);
  return factor;
}

// Rows first..first+count of codes as elements, `stride` apart.
template <class Element>
void widen(Element* to, Index stride, const AttentionRows& rows, Index first, Index count, Index D) {
  for (Index r = 0; r < count; ++r, to += stride) {
    const Code* codes = row_at<Coded>(rows, first + r);
    const F factor = splat(factor_of(codes));
    Index d = 0;
    for (; d + lanes <= D; d += lanes) store(to + d, load(codes + d) * factor);
    if (d < D)
      store_first(to + d, load_first(codes + d, static_cast<int>(D - d)) * factor, static_cast<int>(D - d));
  }
}

// Rows that this task will write and the next one will pack, fetched a few at a time between tiles: at length
// 256 waiting for them took a quarter of the time, since the rows of a head lie far apart and no hardware
// prefetcher follows them.
struct Ahead {
  static constexpr Index most_rows = 256;  // of a longer task packing is a small part
  struct Tensor {
    const char* at;
    Index step;
  };
  Tensor read[5], written[3];
  int reads = 0, writes = 0;
  Index lines = 0, rows = 0, each_time = 0;
};

template <class Type>
HONE_INLINE Ahead::Tensor rows_from(const void* data, Index stride, Index first) {
  constexpr Index bytes = sizeof(typename Type::Element);
  return {static_cast<const char*>(data) + first * stride * bytes, stride * bytes};
}

template <class Type>
HONE_INLINE void add_rows(Ahead& a, const AttentionRows& rows, Index first) {
  if (!rows.table) a.read[a.reads++] = rows_from<Type>(rows.data, rows.stride, first);
}

// `tiles` is the number of calls of fetch() to spread the rows over.
template <class Type>
HONE_INLINE void begin(Ahead& a, Index rows, Index D, Index tiles) {
  a.rows = rows < Ahead::most_rows ? rows : Ahead::most_rows;
  a.lines = (D * static_cast<Index>(sizeof(typename Type::Element)) + 63) / 64;
  a.each_time = (a.rows + tiles - 1) / tiles;
}

HONE_INLINE void fetch(Ahead& a) {
  if (a.rows <= 0) return;
  for (Index r = 0; r < a.each_time; ++r) {
    for (int i = 0; i < a.reads; ++i) {
      for (Index line = 0; line < a.lines; ++line) __builtin_prefetch(a.read[i].at + line * 64, 0);
      a.read[i].at += a.read[i].step;
    }
    for (int i = 0; i < a.writes; ++i) {
      for (Index line = 0; line < a.lines; ++line) __builtin_prefetch(a.written[i].at + line * 64, 1);
      a.written[i].at += a.written[i].step;
    }
  }
  a.rows -= a.each_time;
}

template <class Type>
HONE_INLINE Index padded(Index D) {
  return round_up(D, 16);
}  // elements of a packed row
template <class Type>
HONE_INLINE Index row_units(Index D) {
  return padded<Type>(D) / Type::pair;
}

template <class Type>
HONE_INLINE F load_whole(const typename Type::Element* p) {
  if constexpr (Type::pair == 1) return load(p);
  F v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Units that a sum over D runs through; those past D are zero.
template <class Type>
HONE_INLINE Index sum_units(Index D) {
  return round_up((D + Type::pair - 1) / Type::pair, 4);
}

// Units of one row from element d on: `lanes` units, those past D zero.
template <class Type>
HONE_INLINE F load_units(const typename Type::Element* row, Index d, Index D) {
  const Index left = D - d;
  if constexpr (Type::pair == 2) {
    if (left >= 2 * lanes) return load_whole<Type>(row + d);
    typename Type::Element buffer[2 * lanes] = {};
    if (left > 0) std::memcpy(buffer, row + d, static_cast<std::size_t>(left) * 2);
    return load_whole<Type>(buffer);
  } else {
    if (left >= lanes) return load(row + d);
    return left > 0 ? load_first(row + d, static_cast<int>(left)) : F{};
  }
}

// Rows first..first+count of the head, then zeros up to a multiple of 16 rows.
template <class Type>
void pack_rows(float* to, const AttentionRows& rows, Index first, Index count, Index D) {
  const Index units = row_units<Type>(D), all = round_up(count, 16);
  for (Index r = 0; r < all; ++r) {
    const auto* row = r < count ? row_at<Type>(rows, first + r) : nullptr;
    float* out = to + r * units;
    Index u = 0;
    for (; row && (u + lanes) * Type::pair <= D; u += lanes)
      store(out + u, load_whole<Type>(row + u * Type::pair));
    for (; u + lanes <= units; u += lanes)
      store(out + u, row ? load_units<Type>(row, u * Type::pair, D) : F{});
    if (u < units) store_first(out + u, row ? load_units<Type>(row, u * Type::pair, D) : F{}, int(units - u));
  }
}

#if defined(__AVX512BF16__)
HONE_INLINE __m512i load_columns(const bf16* row, Index d, Index D) {  // 32 elements, those past D zero
  const Index left = row ? D - d : 0;
  if (left >= 32) return _mm512_loadu_si512(row + d);
  return left <= 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16((1u << left) - 1, row + d);
}

// Neighbours (even, odd) of 32 columns; `half` 0 for the first 16 units, 16 for the others.
HONE_INLINE __m512i zip(__m512i even, __m512i odd, short half) {
  const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7,
                                         38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  return _mm512_permutex2var_epi16(even, _mm512_add_epi16(first, _mm512_set1_epi16(half)), odd);
}
#endif

template <class Type>
void pack_pairs(float* to, const AttentionRows& rows, Index first, Index count, Index D) {
#if defined(__AVX512BF16__)
  if constexpr (Type::pair == 2) {
    const Index width = padded<Type>(D), all = round_up(count, 16);
    for (Index r = 0; r < all; r += 2) {
      const auto* even = r < count ? row_at<Type>(rows, first + r) : nullptr;
      const auto* odd = r + 1 < count ? row_at<Type>(rows, first + r + 1) : nullptr;
      float* out = to + r / 2 * width;
      for (Index d = 0; d < width; d += 32) {
        const __m512i a = load_columns(even, d, D), b = load_columns(odd, d, D);
        _mm512_storeu_si512(out + d, zip(a, b, 0));
        if (d + 16 < width) _mm512_storeu_si512(out + d + 16, zip(a, b, 16));
      }
    }
    return;
  }
#endif
  if constexpr (Type::pair == 1) pack_rows<Type>(to, rows, first, count, D);
}

// Rows first..first+count into lanes, then zeros up to a multiple of 16 lanes.
template <class Type>
void pack_transposed(float* to, const AttentionRows& rows, Index first, Index count, Index D) {
  const Index units = round_up((D + Type::pair - 1) / Type::pair, lanes);
  for (Index r = 0; r < round_up(count, 16); r += lanes) {
    for (Index u = 0; u < units; u += lanes) {
      F m[lanes];
      for (Index i = 0; i < lanes; ++i)
        m[i] = r + i < count ? load_units<Type>(row_at<Type>(rows, first + r + i), u * Type::pair, D) : F{};
      transpose(m);
      for (Index i = 0; i < lanes; ++i) store(to + (u + i) * block + r, m[i]);
    }
  }
}
HONE_INLINE Index transposed_floats(Index D) { return round_up(D, 16) * block; }

// to[0..D) = from * factor.
template <class Type>
void write_scaled(typename Type::Element* to, const float* from, float factor, Index D) {
  Index d = 0;
  for (; d + lanes <= D; d += lanes) store(to + d, load(from + d) * splat(factor));
  if (d < D) store_first(to + d, load(from + d) * splat(factor), static_cast<int>(D - d));
}

}  // namespace hone::kernel::HONE_ISA
