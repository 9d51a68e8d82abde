// Flash attention forward for a run of queries of one head: blocks of 64 queries x 64 keys, scores transposed
// so that queries are lanes and the softmax has no work across lanes.
//
// The running maximum m is a whole number of log2 units, so that rescaling is exact. It is guessed from what
// a query sees of four keys, the first ones or those in which its window begins, and raised only when a score
// exceeds it by `headroom`; the block is then done again. So the exponentials of a tile follow at once on its
// scores, while these are in registers.
#include "kernel/isa/attention_score.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

constexpr float headroom = 30;  // log2 units; p stays below 2^30 and sums far from overflow

template <class Type>
struct Scratch {
  float *k, *v, *q, *p, *o, *widened = nullptr;  // the last: a block of keys, of codes
  Index bytes;
  HONE_INLINE Scratch(void* base, Index keys, Index D, bool coded) {
    Carver c{static_cast<char*>(base)};
    const Index rows = round_up(keys, 16);
    k = c.take(rows * row_units<Type>(D));
    v = c.take(rows / Type::pair * padded<Type>(D));
    q = c.take(transposed_floats(D));
    p = c.take(block * block / Type::pair);
    o = c.take(padded<Type>(D) * block);
    if (coded) widened = c.take(padded<Type>(D) * block);
    bytes = c.used;
  }
};

template <class Type>
struct State {
  const AttentionForwardTask& t;
  Scratch<Type> s;
  Ahead ahead;
  Visible see;
  Drops drops;
  F m[block_vectors];         // running maximum, log2 units
  F l[block_vectors];         // sum of 2^(score - m)
  F l_before[block_vectors];  // before this block
  F top[block_vectors];       // largest score of this block
  float scale[lanes];         // to log2 units
};

// Scores and probabilities of keys row .. row+R of the block for V vectors of queries.
template <class Type, int R, int V, Mask mask, bool drop>
HONE_INLINE void tile(State<Type>& s, Index row, Index v0, bool guess) {
  const auto& t = s.t;
  const Index key = s.see.first_key + row;
  fetch(s.ahead);
  F x[R][V];
  multiply_scores<Type>(s.s.k + key * row_units<Type>(t.D), row_units<Type>(t.D), s.s.q + v0 * lanes,
                        sum_units<Type>(t.D), x);
  const F scale = load(s.scale);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    F top = s.top[v0 + v];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if (masks<mask>(v)) x[r][v] = select(sees<mask>(s.see, key + r, v0 + v), x[r][v], splat(-1e30f));
      top = max(top, x[r][v]);
      if constexpr (mask == Mask::window) {
        if (r % 4 == 3 && guess)
          s.m[v0 + v] = select(begins(s.see, key + r - 3, v0 + v), ceiling(top * scale), s.m[v0 + v]);
      } else if (r == 3 && guess) {
        s.m[v0 + v] = ceiling(top * scale);
      }
    }
    s.top[v0 + v] = top;
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const F m = s.m[v0 + v];
    F l = s.l[v0 + v];
#pragma GCC unroll 4
    for (int r = 0; r < R; r += 4) {
      F p[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        p[i] = exp2<Type>(fma(x[r + i][v], scale, -m));
        if (masks<mask>(v)) p[i] = select(sees<mask>(s.see, key + r + i, v0 + v), p[i], F{});
      }
      l += (p[0] + p[1]) + (p[2] + p[3]);
      if constexpr (drop) {
        if ((row + r) % 8 == 0) draw<1>(s.drops, t.dropout, key + r, v0 + v);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) p[i] = select(kept(s.drops, t.dropout, key + r + i, v0 + v), p[i], F{});
      }
      store_for_keys<Type>(s.s.p, row + r, v0 + v, p[0], p[1]);
      store_for_keys<Type>(s.s.p, row + r + 2, v0 + v, p[2], p[3]);
    }
    s.l[v0 + v] = l;
  }
}

template <class Type, int R, int V, Mask mask, bool drop>
__attribute__((noinline)) void group(State<Type>& s, Index row, Index v0, bool guess) {
  for (Index r = row; r < row + 16; r += R)
    tile<Type, R, V, mask, drop>(s, r, v0, guess && (mask == Mask::window || r == row));
}

template <class Type, bool drop>
void probabilities(State<Type>& s, bool first_block, bool guess) {
  each_visible_strip(
      s.see, [&](Index row, Index v, auto V, auto mask) __attribute__((always_inline)) {
        const bool here = guess && (mask() == Mask::window || (first_block && row == 0));
        group<Type, strip_rows<V()>, V(), mask(), drop>(s, row, v, here);
      });
}

// True when a score exceeded m by too much: m is raised, what was summed before this block is rescaled.
template <class Type>
bool raise(State<Type>& s, bool first_block) {
  const Index vectors = s.see.query_groups * (16 / lanes), width = padded<Type>(s.t.D);
  I any{};
  for (Index v = 0; v < vectors; ++v) {
    s.top[v] *= load(s.scale);
    any |= s.top[v] > s.m[v] + splat(headroom);
  }
  bool raised = false;
  for (int i = 0; i < lanes; ++i) raised = raised || any[i];
  if (!raised) return false;
  alignas(64) float factor[block];
  for (Index v = 0; v < vectors; ++v) {
    const F m = select(s.top[v] > s.m[v] + splat(headroom), ceiling(s.top[v]), s.m[v]);
    const F f = exp2<F32>(s.m[v] - m);
    s.m[v] = m;
    s.l[v] = s.l_before[v] * f;
    store(factor + v * lanes, f);
  }
  for (Index q = 0; q < s.see.queries && !first_block; ++q)
    write_scaled<F32>(s.s.o + q * width, s.s.o + q * width, factor[q], width);
  return true;
}

template <class Type, bool drop>
void key_block(State<Type>& s, bool first_block) {
  for (Index v = 0; v < block_vectors; ++v) {
    s.l_before[v] = s.l[v];
    s.top[v] = splat(-1e30f);
  }
  probabilities<Type, drop>(s, first_block, true);
  if (raise(s, first_block)) probabilities<Type, drop>(s, first_block, false);

  const Index width = padded<Type>(s.t.D), units = 16 / Type::pair;
  const Operands all{s.s.p, block, s.s.v + s.see.first_key / Type::pair * width, width, s.s.o, width};
  if (s.see.all) {
    product<Type, true>(all, s.see.query_groups * 16, width / lanes, s.see.groups * units, !first_block);
    return;
  }
  for (Index q = 0; q < s.see.query_groups; ++q) {  // on the diagonal each group of queries sees more keys
    Operands one = all;
    one.a += q * 16;
    one.c += q * 16 * width;
    product<Type, true>(one, 16, width / lanes, groups_of(s.see, q) * units, !first_block);
  }
}

// From here on Type is that of the rows in memory; what is computed is of its arithmetic.
template <class Type>
using StateOf = State<typename Type::Arithmetic>;

template <class Type>
void sees_nothing(const AttentionForwardTask& t, Index query) {
  auto* o = static_cast<typename Type::Element*>(t.o) + query * t.o_stride;
  for (Index d = 0; d < t.D; ++d) o[d] = {};
  if (t.lse) t.lse[query] = -__builtin_inff();
}

template <class Type>
void finish(const StateOf<Type>& s, Index first_query) {
  const auto& t = s.t;
  alignas(64) float l[block], m[block];
  for (Index v = 0; v < block_vectors; ++v) {
    store(l + v * lanes, s.l[v]);
    store(m + v * lanes, s.m[v]);
  }
  const float keep_scale = t.dropout.threshold ? t.dropout.keep_scale : 1.0f;
  auto* o = static_cast<typename Type::Element*>(t.o) + first_query * t.o_stride;
  for (Index i = 0; i < s.see.queries; ++i) {
    if (l[i] == 0) {  // a key that is seen adds something
      sees_nothing<Type>(t, first_query + i);
      continue;
    }
    write_scaled<Type>(o + i * t.o_stride, s.s.o + i * padded<Type>(t.D), keep_scale / l[i], t.D);
    if (t.lse) t.lse[first_query + i] = m[i] * ln_2 + __builtin_logf(l[i]);
  }
}

template <class Type>
void pack_keys(StateOf<Type>& s, Index key, Index keys) {
  const Index D = s.t.D, count = keys - key < block ? keys - key : block;
  pack_rows<Type>(s.s.k + key * row_units<Type>(D), s.t.k, key, count, D);
  pack_pairs<Type>(s.s.v + key / Type::pair * padded<Type>(D), s.t.v, key, count, D);
}

// The same of codes, which become elements of the arithmetic's type first.
template <class Arithmetic>
void pack_coded_keys(State<Arithmetic>& s, Index key, Index keys) {
  const Index D = s.t.D, count = keys - key < block ? keys - key : block, width = padded<Arithmetic>(D);
  auto* to = reinterpret_cast<typename Arithmetic::Element*>(s.s.widened);
  const AttentionRows widened{to, width, nullptr, 1};
  widen(to, width, s.t.k, key, count, D);
  pack_rows<Arithmetic>(s.s.k + key * row_units<Arithmetic>(D), widened, 0, count, D);
  widen(to, width, s.t.v, key, count, D);
  pack_pairs<Arithmetic>(s.s.v + key / Arithmetic::pair * width, widened, 0, count, D);
}

template <class Type>
Ahead ahead_of(const AttentionForwardTask& t, const AttentionForwardTask* next) {
  Ahead a;
  if (next) {
    add_rows<Type>(a, next->q, next->first_query);
    const Index key = keys_from(next->sight, next->offset + next->first_query);
    add_rows<Type>(a, next->k, key);
    add_rows<Type>(a, next->v, key);
  }
  a.written[a.writes++] = rows_from<Type>(t.o, t.o_stride, t.first_query);
  begin<Type>(a, t.queries < t.keys ? t.queries : t.keys, t.D, tiles(t.sight, t.queries, t.keys));
  return a;
}

template <class Type, bool coded>
void forward(const AttentionForwardTask& t, const AttentionForwardTask* next) {
  const Index end = t.first_query + t.queries, reach = last_seen(t.sight, t.offset + end - 1) + 1;
  const Index keys = reach < t.keys ? reach : t.keys;
  if (keys <= 0) {
    for (Index query = t.first_query; query < end; ++query) sees_nothing<Type>(t, query);
    return;
  }
  using Arithmetic = typename Type::Arithmetic;
  State<Arithmetic> s{t, Scratch<Arithmetic>(t.scratch, keys, t.D, coded), {}, {}, {}, {}, {}, {}, {}, {}};
  s.ahead = ahead_of<Type>(t, next);
  store(s.scale, splat(t.scale * log2_e));
  Index packed = 0;
  for (Index query = t.first_query; query < end; query += block) {
    const Index queries = end - query < block ? end - query : block;
    pack_transposed<Type>(s.s.q, t.q, query, queries, t.D);
    set_queries(s.see, t.sight, t.offset + query, queries, keys);
    if (t.dropout.threshold) set_queries(s.drops, t.dropout, query);
    for (F& l : s.l) l = F{};
    const Index first = keys_from(t.sight, t.offset + query);
    for (Index key = first; key < keys && set_keys(s.see, key, keys - key); key += block) {
      if (key >= packed) {
        if constexpr (coded)
          pack_coded_keys(s, key, keys);
        else
          pack_keys<Type>(s, key, keys);
        packed = key + block;
      }
      t.dropout.threshold ? key_block<Arithmetic, true>(s, key == first)
                          : key_block<Arithmetic, false>(s, key == first);
    }
    finish<Type>(s, query);
  }
}

}  // namespace

template <class Type>
std::int64_t attention_forward_scratch(std::int64_t keys, std::int64_t D) {
  return Scratch<Type>(nullptr, keys, D, false).bytes;
}
template <class Type>
void attention_forward(const AttentionForwardTask* tasks, std::int64_t count) {
  for (Index i = 0; i < count; ++i) forward<Type, false>(tasks[i], i + 1 < count ? tasks + i + 1 : nullptr);
}
template <class Type>
std::int64_t attention_forward_coded_scratch(std::int64_t keys, std::int64_t D) {
  return Scratch<Type>(nullptr, keys, D, true).bytes;
}
template <class Type>
void attention_forward_coded(const AttentionForwardTask* tasks, std::int64_t count) {
  for (Index i = 0; i < count; ++i) forward<Type, true>(tasks[i], nullptr);
}
template std::int64_t attention_forward_scratch<F32>(std::int64_t, std::int64_t);
template std::int64_t attention_forward_scratch<Bf16>(std::int64_t, std::int64_t);
template std::int64_t attention_forward_scratch<F16>(std::int64_t, std::int64_t);
template void attention_forward<F32>(const AttentionForwardTask*, std::int64_t);
template void attention_forward<Bf16>(const AttentionForwardTask*, std::int64_t);
template void attention_forward<F16>(const AttentionForwardTask*, std::int64_t);
template std::int64_t attention_forward_coded_scratch<F32>(std::int64_t, std::int64_t);
template std::int64_t attention_forward_coded_scratch<Bf16>(std::int64_t, std::int64_t);
template std::int64_t attention_forward_coded_scratch<F16>(std::int64_t, std::int64_t);
template void attention_forward_coded<F32>(const AttentionForwardTask*, std::int64_t);
template void attention_forward_coded<Bf16>(const AttentionForwardTask*, std::int64_t);
template void attention_forward_coded<F16>(const AttentionForwardTask*, std::int64_t);

}  // namespace hone::kernel::HONE_ISA
