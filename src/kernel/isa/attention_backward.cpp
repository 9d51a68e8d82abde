// Flash attention backward for one key head and the query heads that read it, in one pass: key blocks
// outside, query blocks inside. A tile of scores and of dP = V dO^T lives in registers; dV and dK of the
// block add up in cache, dQ for the whole head. One order, no partial sums to merge. Two passes cost 1.42
// times this.
//
//   P = 2^(scale log2(e) K Q^T - lse log2(e)),  dS = P * (dP - rowsum(dO * O)),  all with queries in lanes
//   dV = P dO,  dK = scale dS Q,  dQ = scale dS^T K
// With dropout P is masked before dV, dP after; both are scaled by 1/(1-p).
#include "kernel/isa/attention_score.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

template <class Type>
struct Scratch {
  float *k, *v, *k_pairs, *d_k, *d_v;          // of the key head
  float *q, *d_o, *q_pairs, *d_o_pairs, *d_q;  // of one query head
  float *delta, *lse;                          // rowsum(dO * O), and lse in log2 units
  float *p_queries, *ds_queries, *ds_keys;     // of one block
  Index bytes;
  HONE_INLINE Scratch(void* base, Index T, Index S, Index D) {
    Carver c{static_cast<char*>(base)};
    const Index keys = round_up(S, 16), queries = round_up(T, 16), blocks = round_up(T, block) / block;
    const Index width = padded<Type>(D), units = row_units<Type>(D);
    k = c.take(keys * units);
    v = c.take(keys * units);
    k_pairs = Type::pair == 1 ? k : c.take(keys / Type::pair * width);
    d_k = c.take(keys * width);
    d_v = c.take(keys * width);
    q = c.take(blocks * transposed_floats(D));
    d_o = c.take(blocks * transposed_floats(D));
    q_pairs = c.take(queries / Type::pair * width);
    d_o_pairs = c.take(queries / Type::pair * width);
    d_q = c.take(queries * width);
    delta = c.take(blocks * block);
    lse = c.take(blocks * block);
    p_queries = c.take(block * block / Type::pair);
    ds_queries = c.take(block * block / Type::pair);
    ds_keys = Type::pair == 1 ? ds_queries : c.take(block * block / Type::pair);
    bytes = c.used;
  }
};

template <class Type>
struct State {
  const AttentionBackwardTask& t;
  Scratch<Type> s;
  AttentionDropout dropout;  // of this query head
  Ahead ahead;
  Visible see;
  Drops drops;
  float scale[lanes];    // to log2 units
  const float *q, *d_o;  // this query block, transposed
  const float *delta, *lse;
};

// P and dS of keys row .. row+R of the block for V vectors of queries.
template <class Type, int R, int V, Mask mask, bool drop>
HONE_INLINE void tile(State<Type>& s, Index row, Index v0) {
  const auto& t = s.t;
  const Index key = s.see.first_key + row, units = row_units<Type>(t.D), sum = sum_units<Type>(t.D);
  const F scale = load(s.scale);
  fetch(s.ahead);
  F p[R][V];
  multiply_scores<Type>(s.s.k + key * units, units, s.q + v0 * lanes, sum, p);
  I keep[drop ? R : 1][V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const F lse = load(s.lse + (v0 + v) * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      p[r][v] = exp2<Type>(fma(p[r][v], scale, -lse));
      if (masks<mask>(v)) p[r][v] = select(sees<mask>(s.see, key + r, v0 + v), p[r][v], F{});
      if constexpr (drop) {
        if ((row + r) % 8 == 0) draw<1>(s.drops, s.dropout, key + r, v0 + v);
        keep[r][v] = kept(s.drops, s.dropout, key + r, v0 + v);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r += 2) {
      F even = p[r][v], odd = p[r + 1][v];
      if constexpr (drop) even = select(keep[r][v], even, F{}), odd = select(keep[r + 1][v], odd, F{});
      store_for_queries<Type>(s.s.p_queries, row + r, v0 + v, even, odd);
    }
  }
  F ds[R][V];
  multiply_scores<Type>(s.s.v + key * units, units, s.d_o + v0 * lanes, sum, ds);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const F delta = load(s.delta + (v0 + v) * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if constexpr (drop) ds[r][v] = select(keep[r][v], ds[r][v] * splat(s.dropout.keep_scale), F{});
      ds[r][v] = p[r][v] * (ds[r][v] - delta);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r += 2) {
      store_for_keys<Type>(s.s.ds_keys, row + r, v0 + v, ds[r][v], ds[r + 1][v]);
      if constexpr (Type::pair == 2)
        store_for_queries<Type>(s.s.ds_queries, row + r, v0 + v, ds[r][v], ds[r + 1][v]);
    }
  }
}

template <class Type, int R, int V, Mask mask, bool drop>
__attribute__((noinline)) void group(State<Type>& s, Index row, Index v0) {
  for (Index r = row; r < row + 16; r += R) tile<Type, R, V, mask, drop>(s, r, v0);
}

template <class Type, bool drop>
void score_gradients(State<Type>& s) {
  each_visible_strip(
      s.see, [&](Index row, Index v, auto V, auto mask) __attribute__((always_inline)) {
        group<Type, strip_rows<V()>, V(), mask(), drop>(s, row, v);
      });
}

// C[keys,D] += A[keys,queries] B[queries,D] over the queries that see each group of keys.
template <class Type>
void add_to_keys(const State<Type>& s, const float* a, const float* pairs, float* c, Index query,
                 bool accumulate) {
  const Index width = padded<Type>(s.t.D), a_step = block / Type::pair, units = 16 / Type::pair;
  const Operands whole{a, a_step, pairs + query / Type::pair * width, width, c, width};
  if (!accumulate) {  // keys behind a prefix, to which only later blocks of queries will add
    const Index left = s.t.keys - s.see.first_key, keys = round_up(left < block ? left : block, 16);
    for (Index i = s.see.groups * 16 * width; i < keys * width; ++i) c[i] = 0;
  }
  if (s.see.all) {
    product<Type, false>(whole, s.see.groups * 16, width / lanes, s.see.query_groups * units, accumulate);
    return;
  }
  for (Index g = 0; g < s.see.groups; ++g) {
    const Index first = s.see.first[g];
    Operands one = whole;
    one.a += g * 16 * a_step + first * units;
    one.b += first * units * width;
    one.c += g * 16 * width;
    product<Type, false>(one, 16, width / lanes, (s.see.query_groups - first) * units, accumulate);
  }
}

// dQ[queries,D] += dS[queries,keys] K[keys,D] over the keys that each group of queries sees.
template <class Type>
void add_to_queries(const State<Type>& s, float* d_q, bool accumulate) {
  const Index width = padded<Type>(s.t.D), units = 16 / Type::pair;
  const Operands whole{s.s.ds_keys, block, s.s.k_pairs + s.see.first_key / Type::pair * width,
                       width,       d_q,   width};
  if (s.see.all) {
    product<Type, true>(whole, s.see.query_groups * 16, width / lanes, s.see.groups * units, accumulate);
    return;
  }
  for (Index q = 0; q < s.see.query_groups; ++q) {
    Operands one = whole;
    one.a += q * 16;
    one.c += q * 16 * width;
    product<Type, true>(one, 16, width / lanes, groups_of(s.see, q) * units, accumulate);
  }
}

// From here on Type is that of the rows in memory; what is computed is of its arithmetic.
template <class Type>
using StateOf = State<typename Type::Arithmetic>;

// A head's rows shifted by whole heads.
template <class Type>
HONE_INLINE AttentionRows head_of(AttentionRows rows, Index head, Index D) {
  rows.data = static_cast<const typename Type::Element*>(rows.data) + head * D;
  return rows;
}

// The sums of dO * O over D of rows first .. first+lanes, one a lane; rows from `end` on are zero.
template <class Type>
HONE_INLINE F products_of_rows(const AttentionRows& o, const AttentionRows& d_o, Index first, Index end,
                               Index D) {
  F m[lanes];
  for (Index i = 0; i < lanes; ++i) {
    F part[sum_parts] = {};
    if (first + i < end) {
      const auto *a = row_at<Type>(o, first + i), *b = row_at<Type>(d_o, first + i);
      each_summed(
          D, [&](Index d, int k, auto some) { part[k] = fma(get(a + d, some), get(b + d, some), part[k]); });
    }
    m[i] = halved(part);
  }
  transpose(m);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) m[i] += m[i + width];
  return m[0];
}

// A block is packed just before its first use: its rows are read twice, and then the packs, while they are
// near.
template <class Type>
void pack_queries(StateOf<Type>& s, Index head, Index query) {
  const auto& t = s.t;
  const AttentionRows q = head_of<Type>(t.q, head, t.D), d_o = head_of<Type>(t.d_o, head, t.D);
  const AttentionRows o = head_of<Type>(t.o, head, t.D);
  const Index queries = t.T - query < block ? t.T - query : block,
              at = query / block * transposed_floats(t.D);
  const Index at_pairs = query / Type::pair * padded<Type>(t.D);
  pack_pairs<Type>(s.s.q_pairs + at_pairs, q, query, queries, t.D);
  pack_transposed<Type>(s.s.q + at, q, query, queries, t.D);
  pack_pairs<Type>(s.s.d_o_pairs + at_pairs, d_o, query, queries, t.D);
  pack_transposed<Type>(s.s.d_o + at, d_o, query, queries, t.D);
  for (Index i = query; i < query + block; i += lanes)
    store(s.s.delta + i, products_of_rows<Type>(o, d_o, i, t.T, t.D));
  for (Index i = query; i < query + block; ++i) s.s.lse[i] = i < t.T ? t.lse[head * t.T + i] * log2_e : 0;
}

template <class Type>
void pack_keys(StateOf<Type>& s, Index key) {
  const auto& t = s.t;
  const Index keys = t.keys - key < block ? t.keys - key : block, at = key * row_units<Type>(t.D);
  pack_rows<Type>(s.s.k + at, t.k, key, keys, t.D);
  pack_rows<Type>(s.s.v + at, t.v, key, keys, t.D);
  if (Type::pair == 2)
    pack_pairs<Type>(s.s.k_pairs + key / Type::pair * padded<Type>(t.D), t.k, key, keys, t.D);
}

template <class Type>
void write_rows(void* to, Index stride, Index first, Index count, const float* from, float factor, Index D) {
  auto* out = static_cast<typename Type::Element*>(to) + first * stride;
  for (Index i = 0; i < count; ++i)
    write_scaled<Type>(out + i * stride, from + i * padded<Type>(D), factor, D);
}

template <class Type>
void zero_rows(void* to, Index stride, Index first, Index end, Index width) {
  auto* out = static_cast<typename Type::Element*>(to);
  for (Index r = first; r < end; ++r)
    for (Index d = 0; d < width; ++d) out[r * stride + d] = {};
}

// One block of keys against one block of queries; dQ begins with the first block of keys that they see and
// is written with the last.
template <class Type>
void run_block(StateOf<Type>& s, Index head, Index key, Index query, bool first_of_keys) {
  const auto& t = s.t;
  const Index at = query / block * transposed_floats(t.D),
              queries = t.T - query < block ? t.T - query : block;
  set_queries(s.see, t.sight, query, queries, t.keys);
  set_keys(s.see, key, t.keys - key);
  s.q = s.s.q + at;
  s.d_o = s.s.d_o + at;
  s.delta = s.s.delta + query;
  s.lse = s.s.lse + query;
  if (s.dropout.threshold) {
    set_queries(s.drops, s.dropout, query);
    score_gradients<typename Type::Arithmetic, true>(s);
  } else {
    score_gradients<typename Type::Arithmetic, false>(s);
  }
  const Index width = padded<Type>(t.D), at_key = t.group == 1 ? 0 : key * width;
  const bool accumulate = head > 0 || !first_of_keys;
  float* d_q = s.s.d_q + query * width;
  add_to_keys(s, s.s.p_queries, s.s.d_o_pairs, s.s.d_v + at_key, query, accumulate);
  add_to_keys(s, s.s.ds_queries, s.s.q_pairs, s.s.d_k + at_key, query, accumulate);
  add_to_queries(s, d_q, key > keys_from(t.sight, query));
  if (key + block >= t.keys || key + block > last_seen(t.sight, query + queries - 1))
    write_rows<Type>(static_cast<typename Type::Element*>(t.d_q) + head * t.D, t.d_q_stride, query, queries,
                     d_q, t.scale, t.D);
}

template <class Type>
void run_head(StateOf<Type>& s, Index head) {
  const auto& t = s.t;
  for (Index key = 0; key < t.keys; key += block) {
    if (head == 0) pack_keys<Type>(s, key);
    const Index from = key < t.sight.prefix ? 0 : key;
    for (Index query = from; query < t.T && keys_from(t.sight, query) <= key; query += block) {
      if (key == keys_from(t.sight, query)) pack_queries<Type>(s, head, query);
      run_block<Type>(s, head, key, query, query == from);
    }
    if (head < t.group - 1) continue;
    const Index at = t.group == 1 ? 0 : key * padded<Type>(t.D),
                count = t.keys - key < block ? t.keys - key : block;
    const float value_scale = t.dropout.threshold ? t.dropout.keep_scale : 1.0f;
    write_rows<Type>(t.d_k, t.d_k_stride, key, count, s.s.d_k + at, t.scale, t.D);
    write_rows<Type>(t.d_v, t.d_v_stride, key, count, s.s.d_v + at, value_scale, t.D);
  }
  s.dropout.counter += static_cast<std::uint64_t>(t.T) * s.dropout.groups;
}

template <class Type>
Ahead ahead_of(const AttentionBackwardTask& t, const AttentionBackwardTask* next) {
  Ahead a;
  if (next) {
    const AttentionRows* read[] = {&next->q, &next->k, &next->v, &next->o, &next->d_o};
    for (const AttentionRows* rows : read) add_rows<Type>(a, *rows, 0);
  }
  a.written[a.writes++] = rows_from<Type>(t.d_q, t.d_q_stride, 0);
  a.written[a.writes++] = rows_from<Type>(t.d_k, t.d_k_stride, 0);
  a.written[a.writes++] = rows_from<Type>(t.d_v, t.d_v_stride, 0);
  begin<Type>(a, t.T < t.keys ? t.T : t.keys, t.D, tiles(t.sight, t.T, t.keys) * t.group);
  return a;
}

template <class Type>
void backward(const AttentionBackwardTask& t, const AttentionBackwardTask* next) {
  zero_rows<Type>(t.d_k, t.d_k_stride, t.keys, t.S, t.D);
  zero_rows<Type>(t.d_v, t.d_v_stride, t.keys, t.S, t.D);
  Index seeing = 0;  // queries, by blocks, that read a block of keys
  while (seeing < t.T && keys_from(t.sight, seeing) < t.keys) seeing += block;
  zero_rows<Type>(t.d_q, t.d_q_stride, seeing, t.T, t.group * t.D);
  if (t.keys <= 0) return;
  using Arithmetic = typename Type::Arithmetic;
  State<Arithmetic> s{t, Scratch<Arithmetic>(t.scratch, t.T, t.S, t.D), t.dropout, {}, {}, {}, {}, {}, {}, {},
                      {}};
  s.ahead = ahead_of<Type>(t, next);
  store(s.scale, splat(t.scale * log2_e));
  for (Index head = 0; head < t.group; ++head) run_head<Type>(s, head);
}

}  // namespace

template <class Type>
std::int64_t attention_backward_scratch(std::int64_t T, std::int64_t S, std::int64_t D) {
  return Scratch<Type>(nullptr, T, S, D).bytes;
}
template <class Type>
void attention_backward(const AttentionBackwardTask* tasks, std::int64_t count) {
  for (Index i = 0; i < count; ++i) backward<Type>(tasks[i], i + 1 < count ? tasks + i + 1 : nullptr);
}
template std::int64_t attention_backward_scratch<F32>(std::int64_t, std::int64_t, std::int64_t);
template std::int64_t attention_backward_scratch<Bf16>(std::int64_t, std::int64_t, std::int64_t);
template std::int64_t attention_backward_scratch<F16>(std::int64_t, std::int64_t, std::int64_t);
template void attention_backward<F32>(const AttentionBackwardTask*, std::int64_t);
template void attention_backward<Bf16>(const AttentionBackwardTask*, std::int64_t);
template void attention_backward<F16>(const AttentionBackwardTask*, std::int64_t);

}  // namespace hone::kernel::HONE_ISA
