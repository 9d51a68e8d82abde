// A few queries against a long cache: keys in order, one dot product a pair, since there are too few queries
// to fill lanes and the cache is read from memory once for a whole group of heads. Keys go by blocks of 64
// with the running maximum of attention_forward.cpp. A task is a span of keys, and spans are put together in
// order (finish): where they begin, and so the result, depends on the position alone.
#include "kernel/isa/attention_score.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// Heads whose products are computed together, so that a row is widened for all of them: as registers allow.
#if defined(__AVX512F__)
constexpr int scored_heads = 4, added_heads = 4;
#else
constexpr int scored_heads = 1, added_heads = 2;
#endif

// body<n>(first) for all heads, at most so many at a time.
template <int most, class Body>
HONE_INLINE void by_heads(Index heads, const Body& body) {
  Index first = 0;
  for (; first + most <= heads; first += most) body.template operator()<most>(first);
  if constexpr (most > 1)
    by_heads<most - 1>(heads - first, [&]<int n>(Index rest) { body.template operator()<n>(first + rest); });
}

struct Scratch {
  float *q, *score;
  Index bytes;
  HONE_INLINE Scratch(void* base, Index rows, Index D) {
    Carver c{static_cast<char*>(base)};
    q = c.take(rows * round_up(D, 16));
    score = c.take(rows * block);
    bytes = c.used;
  }
};

// What a span of keys gives: of each row o, the scale 2^m that it is to, and the sum of probabilities.
struct Sums {
  float *o, *m, *l;
  HONE_INLINE Sums(float* at, Index rows, Index D)
      : o(at), m(at + rows * round_up(D, 16)), l(m + round_up(rows, 16)) {}
};

template <class T>
HONE_INLINE F load_some(const T* row, Index d, Index D) {
  return D - d >= lanes ? load(row + d) : load_first(row + d, static_cast<int>(D - d));
}

// Of one key with some heads' queries, `apart` floats from each other: four times 16 partial sums by d, added
// in a fixed tree down to a vector. `whole`: D is a multiple of 64.
template <bool whole, class T, int heads>
HONE_INLINE void dot_row(const float* q, Index apart, const T* k, Index D, F (*sums)[lanes]) {
  constexpr int parts = 4 * sum_parts;
  F part[heads][parts] = {};
  Index d = 0;
  for (; d + parts * lanes <= D; d += parts * lanes)
#pragma GCC unroll 16
    for (int i = 0; i < parts; ++i) {
      const F key = load(k + d + i * lanes);
#pragma GCC unroll 4
      for (int h = 0; h < heads; ++h) part[h][i] = fma(load(q + h * apart + d + i * lanes), key, part[h][i]);
    }
  if constexpr (!whole) {
#pragma GCC unroll 16
    for (int i = 0; i < parts; ++i, d += lanes) {
      const F key = d < D ? load_some(k, d, D) : F{};
#pragma GCC unroll 4
      for (int h = 0; h < heads; ++h)
        part[h][i] = fma(d < D ? load(q + h * apart + d) : F{}, key, part[h][i]);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < heads; ++h) {
    F sixteen[sum_parts];
#pragma GCC unroll 4
    for (int i = 0; i < sum_parts; ++i)
      sixteen[i] =
          (part[h][i] + part[h][i + sum_parts]) + (part[h][i + 2 * sum_parts] + part[h][i + 3 * sum_parts]);
    sums[h][0] = halved(sixteen);
  }
}

// Scores of some heads with a vector of keys, of which the first `keys` count: as sum() adds, but the last
// steps of all keys at once.
template <bool whole, class T, int heads>
HONE_INLINE void score_keys(const float* q, Index apart, const T* const* k, Index keys, Index D, float* score,
                            Index score_apart) {
  F sums[heads][lanes];
  for (Index key = 0; key < keys; ++key)
    dot_row<whole, T, heads>(q, apart, k[key], D, reinterpret_cast<F(*)[lanes]>(&sums[0][key]));
#pragma GCC unroll 4
  for (int h = 0; h < heads; ++h) {
    for (Index key = keys; key < lanes; ++key) sums[h][key] = F{};
    F all[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) all[i] = sums[h][i];
    transpose(all);
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) all[i] = all[i] + all[i + lanes / 2];
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 4; ++i) all[i] = all[i] + all[i + lanes / 4];
    if constexpr (lanes >= 8)
#pragma GCC unroll 8
      for (int i = 0; i < lanes / 8; ++i) all[i] = all[i] + all[i + lanes / 8];
    if constexpr (lanes >= 16) all[0] = all[0] + all[1];
    store(score + h * score_apart, all[0]);
  }
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

template <class T>
HONE_INLINE void fetch_row(const T* row, Index D) {
  for (Index d = 0; d < D; d += 64 / static_cast<Index>(sizeof(T))) __builtin_prefetch(row + d);
}

// o += sum over keys of p[key] * the key's row, keys in order, a part of o in registers at a time; of some
// heads, their o and their p so far apart.
template <class T, int heads>
HONE_INLINE void add_rows(float* o, Index apart, const T* const* rows, const float* p, Index p_apart,
                          Index keys, Index D) {
  Index d = 0;
  for (; d + 4 * lanes <= D; d += 4 * lanes) {
    F part[heads][4];
#pragma GCC unroll 4
    for (int h = 0; h < heads; ++h)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) part[h][i] = load(o + h * apart + d + i * lanes);
    for (Index key = 0; key < keys; ++key) {
      F value[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) value[i] = load(rows[key] + d + i * lanes);
#pragma GCC unroll 4
      for (int h = 0; h < heads; ++h)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) part[h][i] = fma(splat(p[h * p_apart + key]), value[i], part[h][i]);
    }
#pragma GCC unroll 4
    for (int h = 0; h < heads; ++h)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) store(o + h * apart + d + i * lanes, part[h][i]);
  }
  for (; d < D; d += lanes)
    for (int h = 0; h < heads; ++h) {
      F part = load(o + h * apart + d);
      for (Index key = 0; key < keys; ++key)
        part = fma(splat(p[h * p_apart + key]), load_some(rows[key], d, D), part);
      store(o + h * apart + d, part);
    }
}

// The rows of keys and values of a block. Pointers in front of the first that is seen point to that one.
template <class Element>
struct BlockRows {
  const Element* at[block];
};

// A span of keys of one task. Keys and values lie as Row, which is Type or codes. Of these a score is
// multiplied by its key's factor, a probability by its value's.
template <class Type, class Row>
class Span {
 public:
  HONE_INLINE explicit Span(const AttentionDecodeTask& t)
      : t_(t),
        rows_(t.group * t.queries),
        width_(round_up(t.D, 16)),
        s_(t.scratch, rows_, t.D),
        sums_(t.sums, rows_, t.D) {}

  void run() {
    begin();
    const Index from = keys_from(t_.sight, t_.offset), seen = first_seen(t_.sight, t_.offset);
    const Index start = t_.first_key > from ? t_.first_key : from,
                keys = least(t_.offset + t_.queries, t_.last_key);
    Index unseen = seen > start ? seen - start : 0;  // keys of the first block that no query sees
    find(t_.k, start, unseen, least(keys - start, block), k_);
    for (Index first = start; first < keys; first += block, unseen = 0) {
      const Index count = least(keys - first, block);
      find(t_.v, first, unseen, count, v_);
      next_ = least(keys - first - count, block);
      find(t_.k, first + count, 0, next_, next_k_);
      if (t_.D % 64 == 0)
        score<true>(unseen, count);
      else
        score<false>(unseen, count);
      for (Index query = 0; query < t_.queries; ++query) add(query, first, count);
      k_ = next_k_;
    }
  }

 private:
  using Element = typename Row::Element;
  static constexpr bool coded = has_codes<Row>;

  static Index least(Index a, Index b) { return a < b ? a : b; }

  HONE_INLINE void begin() {
    for (Index row = 0; row < rows_; ++row) {
      const auto* q = row_at<Type>(t_.q, row % t_.queries) + row / t_.queries * t_.D;
      for (Index d = 0; d < width_; d += lanes) {
        store(s_.q + row * width_ + d, d < t_.D ? load_some(q, d, t_.D) * splat(t_.scale * log2_e) : F{});
        store(sums_.o + row * width_ + d, F{});
      }
      sums_.m[row] = -1e30f;
      sums_.l[row] = 0;
    }
  }

  HONE_INLINE void find(const AttentionRows& rows, Index first, Index unseen, Index count,
                        BlockRows<Element>& to) {
    if (unseen < count) find_rows<Row>(rows, first + unseen, count - unseen, to.at + unseen);
    for (Index i = 0; i < unseen; ++i) to.at[i] = to.at[unseen];
  }

  // A head's rows lie a whole position apart, and no hardware prefetcher follows them.
  HONE_INLINE void fetch(Index i, Index count) {
    for (Index key = i; key < least(i + lanes, count); ++key) fetch_row(v_.at[key], t_.D);
    for (Index key = i; key < least(i + lanes, next_); ++key) fetch_row(next_k_.at[key], t_.D);
  }

  template <bool whole>
  HONE_INLINE void score(Index unseen, Index count) {
    for (Index i = unseen / lanes * lanes; i < count; i += lanes) {
      fetch(i, count);
      by_heads<scored_heads>(rows_, [&]<int heads>(Index row) {
        score_keys<whole, Element, heads>(s_.q + row * width_, width_, k_.at + i, least(count - i, lanes),
                                          t_.D, s_.score + row * block + i, block);
      });
    }
    if constexpr (coded) {
      for (Index row = 0; row < rows_; ++row)
        for (Index i = unseen; i < count; ++i) s_.score[row * block + i] *= factor_of(k_.at[i]);
      for (Index i = unseen; i < count; ++i) factor_[i] = factor_of(v_.at[i]);
    }
  }

  // The rows of a query, a head apart from each other, see the same keys.
  HONE_INLINE void add(Index query, Index first, Index count) {
    const Index position = t_.offset + query, before = first_seen(t_.sight, position) - first;
    const Index from = before > 0 ? before : 0, end = least(last_seen(t_.sight, position) + 1 - first, count);
    if (end <= from) return;
    for (Index row = query; row < rows_; row += t_.queries) {
      float* p = s_.score + row * block;
      soften(p, from, end, sums_.m + row, sums_.l + row, sums_.o + row * width_, width_);
      if constexpr (coded)
        for (Index i = from; i < end; ++i) p[i] *= factor_[i];
    }
    by_heads<added_heads>(t_.group, [&]<int heads>(Index head) {
      const Index row = head * t_.queries + query;
      add_rows<Element, heads>(sums_.o + row * width_, t_.queries * width_, v_.at + from,
                               s_.score + row * block + from, t_.queries * block, end - from, t_.D);
    });
  }

  const AttentionDecodeTask& t_;
  const Index rows_, width_;
  const Scratch s_;
  const Sums sums_;
  Index next_ = 0;  // keys of the next block
  BlockRows<Element> k_, v_, next_k_;
  float factor_[block];  // of values, of codes
};

}  // namespace

std::int64_t attention_decode_scratch(std::int64_t group, std::int64_t queries, std::int64_t D) {
  return Scratch(nullptr, group * queries, D).bytes;
}
template <class Type>
void attention_decode(const AttentionDecodeTask& t) {
  Span<Type, Type>(t).run();
}
template <class Type>
void attention_decode_coded(const AttentionDecodeTask& t) {
  Span<Type, Coded>(t).run();
}

// Scales are powers of two, so that nothing is rounded but the sums.
template <class Type>
void attention_decode_finish(const AttentionDecodeTask& t, std::int64_t spans) {
  const Index rows = t.group * t.queries, width = round_up(t.D, 16), apart = decode_sums(rows, t.D);
  for (Index row = 0; row < rows; ++row) {
    const Sums all(t.sums, rows, t.D);
    for (Index i = 1; i < spans; ++i) {
      const Sums more(t.sums + i * apart, rows, t.D);
      const F top = max(splat(all.m[row]), splat(more.m[row]));
      const F mine = exp2<F32>(splat(all.m[row]) - top), its = exp2<F32>(splat(more.m[row]) - top);
      for (Index d = 0; d < width; d += lanes) {
        float* o = all.o + row * width + d;
        store(o, load(o) * mine + load(more.o + row * width + d) * its);
      }
      all.l[row] = all.l[row] * mine[0] + more.l[row] * its[0];
      all.m[row] = top[0];
    }
    auto* o =
        static_cast<typename Type::Element*>(t.o) + row % t.queries * t.o_stride + row / t.queries * t.D;
    write_scaled<Type>(o, all.o + row * width, 1.0f / all.l[row], t.D);
  }
}
template void attention_decode<F32>(const AttentionDecodeTask&);
template void attention_decode<Bf16>(const AttentionDecodeTask&);
template void attention_decode<F16>(const AttentionDecodeTask&);
template void attention_decode_coded<F32>(const AttentionDecodeTask&);
template void attention_decode_coded<Bf16>(const AttentionDecodeTask&);
template void attention_decode_coded<F16>(const AttentionDecodeTask&);
template void attention_decode_finish<F32>(const AttentionDecodeTask&, std::int64_t);
template void attention_decode_finish<Bf16>(const AttentionDecodeTask&, std::int64_t);
template void attention_decode_finish<F16>(const AttentionDecodeTask&, std::int64_t);

}  // namespace hone::kernel::HONE_ISA
