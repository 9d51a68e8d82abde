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

// Four partial sums by d, added in a fixed tree.
template <class Type>
HONE_INLINE float dot_row(const float* q, const typename Type::Element* k, Index D) {
  F part[4] = {};
  Index d = 0;
  for (; d + 4 * lanes <= D; d += 4 * lanes)
    for (int i = 0; i < 4; ++i) part[i] = fma(load(q + d + i * lanes), load(k + d + i * lanes), part[i]);
  for (int i = 0; d < D; d += lanes, i = (i + 1) % 4) part[i] = fma(load(q + d), load_some(k, d, D), part[i]);
  return sum((part[0] + part[1]) + (part[2] + part[3]));
}

// Probabilities of one query from the scores of `keys` keys; m and l go on, o is rescaled.
HONE_INLINE void soften(float* score, Index keys, float* m, float* l, float* o, Index width) {
  for (Index i = keys; i < round_up(keys, lanes); ++i) score[i] = -1e30f;
  F top = splat(-1e30f);
  for (Index i = 0; i < keys; i += lanes) top = max(top, load(score + i));
  const float highest = max(top);
  if (highest > *m) {
    const F raised = ceiling(splat(highest)), factor = exp2<F32>(splat(*m) - raised);
    *m = raised[0];
    *l *= factor[0];
    for (Index d = 0; d < width; d += lanes) store(o + d, load(o + d) * factor);
  }
  F part{};
  for (Index i = 0; i < keys; i += lanes) {
    const F x = load(score + i);
    const F p = select(x > splat(-1e30f), exp2<F32>(x - splat(*m)), F{});
    part += p;
    store(score + i, p);
  }
  *l += sum(part);
}

template <class Type>
HONE_INLINE void add_row(float* o, const typename Type::Element* v, float p, Index D) {
  Index d = 0;
  for (; d + lanes <= D; d += lanes) store(o + d, fma(splat(p), load(v + d), load(o + d)));
  if (d < D) store(o + d, fma(splat(p), load_some(v, d, D), load(o + d)));
}

template <class Type>
void decode(const AttentionDecodeTask& t) {
  using Element = typename Type::Element;
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
  const Index keys = t.offset + t.queries;
  for (Index first = 0; first < keys; first += block) {
    const Index end = keys - first < block ? keys : first + block;
    auto seen = [&](Index row) {
      return t.offset + row % t.queries + 1 < end ? t.offset + row % t.queries + 1 : end;
    };
    for (Index key = first; key < end; ++key) {
      const Element* k = row_at<Type>(t.k, key);
      for (Index row = 0; row < rows; ++row)
        s.score[row * block + key - first] = dot_row<Type>(s.q + row * width, k, t.D);
    }
    for (Index row = 0; row < rows; ++row)
      if (seen(row) > first)
        soften(s.score + row * block, seen(row) - first, s.m + row, s.l + row, s.o + row * width, width);
    for (Index key = first; key < end; ++key) {
      const Element* v = row_at<Type>(t.v, key);
      for (Index row = 0; row < rows; ++row)
        if (key < seen(row)) add_row<Type>(s.o + row * width, v, s.score[row * block + key - first], t.D);
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
  decode<Type>(t);
}
template std::int64_t attention_decode_scratch<F32>(std::int64_t, std::int64_t, std::int64_t);
template std::int64_t attention_decode_scratch<Bf16>(std::int64_t, std::int64_t, std::int64_t);
template void attention_decode<F32>(const AttentionDecodeTask&);
template void attention_decode<Bf16>(const AttentionDecodeTask&);

}  // namespace hone::kernel::HONE_ISA
