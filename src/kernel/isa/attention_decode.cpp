// A few queries against a long cache: keys in order, one dot product a pair, since there are too few queries
// to fill lanes and the cache is read from memory once for a whole group of heads. Keys go by blocks of 64
// with the running maximum of attention_forward.cpp; the result depends on the position alone.
#include "kernel/isa/attention_score.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

template <class Type>
struct Scratch {
  float *q, *o, *score, *m, *l;
  Index bytes;
  HONE_INLINE Scratch(void* base, Index rows, Index D) {
    Carver c{static_cast<char*>(base)};
    q = c.take(rows * round_up(D, 16));
    o = c.take(rows * round_up(D, 16));
    score = c.take(rows * block);
    m = c.take(rows);
    l = c.take(rows);
    bytes = c.used;
  }
};

template <class T>
HONE_INLINE F load_some(const T* row, Index d, Index D) {
  return D - d >= lanes ? load(row + d) : load_first(row + d, static_cast<int>(D - d));
}

// Four times 16 partial sums by d, added in a fixed tree.
template <class Row>
HONE_INLINE float dot_row(const float* q, const typename Row::Element* k, Index D) {
  constexpr int parts = 4 * sum_parts;
  F part[parts] = {};
  Index d = 0;
  for (; d + parts * lanes <= D; d += parts * lanes)
#pragma GCC unroll 16
    for (int i = 0; i < parts; ++i) part[i] = fma(load(q + d + i * lanes), load(k + d + i * lanes), part[i]);
#pragma GCC unroll 16
  for (int i = 0; i < parts; ++i, d += lanes)
    if (d < D) part[i] = fma(load(q + d), load_some(k, d, D), part[i]);
  F sixteen[sum_parts];
  for (int i = 0; i < sum_parts; ++i)
    sixteen[i] = (part[i] + part[i + sum_parts]) + (part[i + 2 * sum_parts] + part[i + 3 * sum_parts]);
  return sum(sixteen);
}

// Probabilities of one query from the scores of keys from..keys-1 of a block, zero for those in front; m and
// l go on, o is rescaled.
HONE_INLINE void soften(float* score, Index from, Index keys, float* m, float* l, float* o, Index width) {
  for (Index i = 0; i < from; ++i) score[i] = -1e30f;
  for (Index i = keys; i < round_up(keys, sum_lanes); ++i) score[i] = -1e30f;
  F top = splat(-1e30f);
  for (Index i = 0; i < keys; i += lanes) top = max(top, load(score + i));
  const float highest = max(top);
  if (highest > *m) {
    const F raised = ceiling(splat(highest)), factor = exp2<F32>(splat(*m) - raised);
    *m = raised[0];
    *l *= factor[0];
    for (Index d = 0; d < width; d += lanes) store(o + d, load(o + d) * factor);
  }
  F part[sum_parts] = {};
  each_summed(round_up(keys, sum_lanes), [&](Index i, int k, auto) {
    const F x = load(score + i);
    const F p = select(x > splat(-1e30f), exp2<F32>(x - splat(*m)), F{});
    part[k] += p;
    store(score + i, p);
  });
  *l += sum(part);
}

// Where rows first, first + 1, ... lie: one division a cache block instead of one a row.
template <class Row>
HONE_INLINE void find_rows(const AttentionRows& rows, Index first, Index count,
                           const typename Row::Element** at) {
  for (Index i = 0; i < count;) {
    const auto* row = row_at<Row>(rows, first + i);
    const Index left = rows.table ? rows.block - (first + i) % rows.block : count;
    for (const Index end = left < count - i ? i + left : count; i < end; ++i, row += rows.stride) at[i] = row;
  }
}

// A head's rows lie a whole position apart, and no hardware prefetcher follows them.
template <class T>
HONE_INLINE void fetch_row(const T* row, Index D) {
  for (Index d = 0; d < D; d += 64 / static_cast<Index>(sizeof(T))) __builtin_prefetch(row + d);
}

// o += sum over keys of p[key] * the key's row, keys in order, a part of o in registers at a time.
template <class T>
HONE_INLINE void add_rows(float* o, const T* const* rows, const float* p, Index keys, Index D) {
  Index d = 0;
  for (; d + 4 * lanes <= D; d += 4 * lanes) {
    F part[4];
    for (int i = 0; i < 4; ++i) part[i] = load(o + d + i * lanes);
    for (Index key = 0; key < keys; ++key)
      for (int i = 0; i < 4; ++i) part[i] = fma(splat(p[key]), load(rows[key] + d + i * lanes), part[i]);
    for (int i = 0; i < 4; ++i) store(o + d + i * lanes, part[i]);
  }
  for (; d < D; d += lanes) {
    F part = load(o + d);
    for (Index key = 0; key < keys; ++key) part = fma(splat(p[key]), load_some(rows[key], d, D), part);
    store(o + d, part);
  }
}

// Keys and values lie as Row, which is Type or codes. Of these a score is multiplied by its key's factor, a
// probability by its value's.
template <class Type, class Row>
void decode(const AttentionDecodeTask& t) {
  using Element = typename Type::Element;
  constexpr bool coded = has_codes<Row>;
  const Index rows = t.group * t.queries, width = round_up(t.D, 16);
  const Scratch<Type> s(t.scratch, rows, t.D);
  for (Index row = 0; row < rows; ++row) {
    const auto* q = row_at<Type>(t.q, row % t.queries) + row / t.queries * t.D;
    for (Index d = 0; d < width; d += lanes) {
      store(s.q + row * width + d, d < t.D ? load_some(q, d, t.D) * splat(t.scale * log2_e) : F{});
      store(s.o + row * width + d, F{});
    }
    s.m[row] = -1e30f;
    s.l[row] = 0;
  }
  const Index keys = t.offset + t.queries, begin = keys_from(t.sight, t.offset);
  auto least = [](Index a, Index b) { return a < b ? a : b; };
  Index unseen = first_seen(t.sight, t.offset) - begin;  // keys of the first block that no query sees
  const typename Row::Element *k[block], *v[block];
  [[maybe_unused]] float factor[block];  // of values
  find_rows<Row>(t.k, begin + unseen, least(keys - begin, block) - unseen, k + unseen);
  for (Index first = begin; first < keys; first += block, unseen = 0) {
    const Index count = least(keys - first, block), next = least(keys - first - count, block);
    find_rows<Row>(t.v, first + unseen, count - unseen, v + unseen);
    for (Index i = unseen; i < count; ++i) {
      fetch_row(v[i], t.D);
      for (Index row = 0; row < rows; ++row)
        s.score[row * block + i] = dot_row<Row>(s.q + row * width, k[i], t.D);
      if constexpr (coded)
        for (Index row = 0; row < rows; ++row) s.score[row * block + i] *= factor_of(k[i]);
    }
    if constexpr (coded)
      for (Index i = unseen; i < count; ++i) factor[i] = factor_of(v[i]);
    find_rows<Row>(t.k, first + count, next, k);
    for (Index i = 0; i < next; ++i) fetch_row(k[i], t.D);
    for (Index row = 0; row < rows; ++row) {
      const Index position = t.offset + row % t.queries, before = first_seen(t.sight, position) - first;
      const Index from = before > 0 ? before : 0,
                  end = least(last_seen(t.sight, position) + 1 - first, count);
      if (end <= from) continue;
      float* p = s.score + row * block;
      soften(p, from, end, s.m + row, s.l + row, s.o + row * width, width);
      if constexpr (coded)
        for (Index i = from; i < end; ++i) p[i] *= factor[i];
      add_rows(s.o + row * width, v + from, p + from, end - from, t.D);
    }
  }
  for (Index row = 0; row < rows; ++row) {
    auto* o = static_cast<Element*>(t.o) + row % t.queries * t.o_stride + row / t.queries * t.D;
    write_scaled<Type>(o, s.o + row * width, 1.0f / s.l[row], t.D);
  }
}

}  // namespace

template <class Type>
std::int64_t attention_decode_scratch(std::int64_t group, std::int64_t queries, std::int64_t D) {
  return Scratch<Type>(nullptr, group * queries, D).bytes;
}
template <class Type>
void attention_decode(const AttentionDecodeTask& t) {
  decode<Type, Type>(t);
}
template <class Type>
void attention_decode_coded(const AttentionDecodeTask& t) {
  decode<Type, Coded>(t);
}
template std::int64_t attention_decode_scratch<F32>(std::int64_t, std::int64_t, std::int64_t);
template std::int64_t attention_decode_scratch<Bf16>(std::int64_t, std::int64_t, std::int64_t);
template std::int64_t attention_decode_scratch<F16>(std::int64_t, std::int64_t, std::int64_t);
template void attention_decode<F32>(const AttentionDecodeTask&);
template void attention_decode<Bf16>(const AttentionDecodeTask&);
template void attention_decode<F16>(const AttentionDecodeTask&);
template void attention_decode_coded<F32>(const AttentionDecodeTask&);
template void attention_decode_coded<Bf16>(const AttentionDecodeTask&);
template void attention_decode_coded<F16>(const AttentionDecodeTask&);

}  // namespace hone::kernel::HONE_ISA
