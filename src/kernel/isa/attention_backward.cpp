// Flash attention backward for one key head and the query heads that read it, in one pass: key blocks outside,
// query blocks inside. A tile of scores and of dP = V dO^T lives in registers; dV and dK of the block add up in
// cache, dQ for the whole head. One order, no partial sums to merge. Two passes cost 1.42 times this.
//
//   P = 2^(scale log2(e) K Q^T - lse log2(e)),  dS = P * (dP - rowsum(dO * O)),  all with queries in lanes
//   dV = P dO,  dK = scale dS Q,  dQ = scale dS^T K
// With dropout P is masked before dV, dP after; both are scaled by 1/(1-p).
#include "kernel/isa/attention_score.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

template <class Type>
struct Scratch {
  float *k, *v, *k_pairs, *d_k, *d_v;                 // of the key head
  float *q, *d_o, *q_pairs, *d_o_pairs, *d_q;         // of one query head
  float *delta, *lse;                                 // rowsum(dO * O), and lse in log2 units
  float *p_queries, *ds_queries, *ds_keys;            // of one block
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
  Visible see;
  Drops drops;
  float scale[lanes];     // to log2 units
  const float *q, *d_o;   // this query block, transposed
  const float *delta, *lse;
};

// P and dS of keys row .. row+R of the block for V vectors of queries.
template <class Type, int R, int V, bool masked, bool drop>
HONE_INLINE void tile(State<Type>& s, Index row, Index v0) {
  const auto& t = s.t;
  const Index key = s.see.first_key + row, units = row_units<Type>(t.D), sum = (t.D + Type::pair - 1) / Type::pair;
  const F scale = load(s.scale);
  F p[R][V] = {};
  multiply<Type, R, V, false>(s.s.k + key * units, units, s.q + v0 * lanes, block, sum, p);
  I keep[drop ? R : 1][V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const F lse = load(s.lse + (v0 + v) * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      p[r][v] = exp2<Type>(fma(p[r][v], scale, -lse));
      if constexpr (masked) p[r][v] = select(sees(s.see, key + r, v0 + v), p[r][v], F{});
      if constexpr (drop) {
        if ((row + r) % 8 == 0) draw<1>(s.drops, s.dropout, key + r, v0 + v);
        keep[r][v] = kept(s.drops, s.dropout, key + r, v0 + v);
        store_for_queries<Type>(s.s.p_queries, row + r, v0 + v, select(keep[r][v], p[r][v], F{}));
      } else {
        store_for_queries<Type>(s.s.p_queries, row + r, v0 + v, p[r][v]);
      }
    }
  }
  F ds[R][V] = {};
  multiply<Type, R, V, false>(s.s.v + key * units, units, s.d_o + v0 * lanes, block, sum, ds);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const F delta = load(s.delta + (v0 + v) * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if constexpr (drop) ds[r][v] = select(keep[r][v], ds[r][v] * splat(s.dropout.keep_scale), F{});
      ds[r][v] = p[r][v] * (ds[r][v] - delta);
      if constexpr (Type::pair == 2) store_for_queries<Type>(s.s.ds_queries, row + r, v0 + v, ds[r][v]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r += 2) store_for_keys<Type>(s.s.ds_keys, row + r, v0 + v, ds[r][v], ds[r + 1][v]);
  }
}

template <class Type, int R, int V, bool masked, bool drop>
__attribute__((noinline)) void group(State<Type>& s, Index row, Index v0) {
  for (Index r = row; r < row + 16; r += R) tile<Type, R, V, masked, drop>(s, r, v0);
}

template <class Type, bool masked, bool drop>
void group_row(State<Type>& s, Index row, Index v0) {
  const Index vectors = s.see.query_groups * (16 / lanes);
  for (Index v = v0; v < vectors; v += strip) switch (vectors - v) {
#if defined(__AVX512F__)
      case 1: group<Type, 16, 1, masked, drop>(s, row, v); break;
      case 2: group<Type, 8, 2, masked, drop>(s, row, v); break;
      case 3: group<Type, 4, 3, masked, drop>(s, row, v); break;
      default: group<Type, 4, 4, masked, drop>(s, row, v);
#else
      default: group<Type, 4, 2, masked, drop>(s, row, v);
#endif
    }
}

template <class Type, bool drop>
void score_gradients(State<Type>& s) {
  for (Index g = 0; g < s.see.groups; ++g) {
    const Index row = g * 16, first = s.see.first[g], v = first * (16 / lanes);
    if (s.see.first_key + row + 15 > s.see.last[first * 16]) group_row<Type, true, drop>(s, row, v);
    else group_row<Type, false, drop>(s, row, v);
  }
}

// C[keys,D] += A[keys,queries] B[queries,D] over the queries that see each group of keys.
template <class Type>
void add_to_keys(const State<Type>& s, const float* a, const float* pairs, float* c, Index query, bool accumulate) {
  const Index width = padded<Type>(s.t.D), a_step = block / Type::pair, units = 16 / Type::pair;
  const Operands whole{a, a_step, pairs + query / Type::pair * width, width, c + s.see.first_key * width, width};
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
  const Operands whole{s.s.ds_keys, block, s.s.k_pairs + s.see.first_key / Type::pair * width, width, d_q, width};
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

// A head's rows shifted by whole heads.
template <class Type>
HONE_INLINE AttentionRows head_of(AttentionRows rows, Index head, Index D) {
  rows.data = static_cast<const typename Type::Element*>(rows.data) + head * D;
  return rows;
}

template <class Type>
void pack_head(State<Type>& s, Index head) {
  const auto& t = s.t;
  const AttentionRows q = head_of<Type>(t.q, head, t.D), d_o = head_of<Type>(t.d_o, head, t.D);
  const AttentionRows o = head_of<Type>(t.o, head, t.D);
  pack_pairs<Type>(s.s.q_pairs, q, 0, t.T, t.D);
  pack_pairs<Type>(s.s.d_o_pairs, d_o, 0, t.T, t.D);
  for (Index query = 0; query < t.T; query += block) {
    const Index queries = t.T - query < block ? t.T - query : block, at = query / block * transposed_floats(t.D);
    pack_transposed<Type>(s.s.q + at, q, query, queries, t.D);
    pack_transposed<Type>(s.s.d_o + at, d_o, query, queries, t.D);
    for (Index i = query; i < query + block; ++i) {
      const bool real = i < t.T;
      F delta{};
      for (Index d = 0; real && d < t.D; d += lanes) {
        const Index n = t.D - d;
        const auto *a = row_at<Type>(o, i) + d, *b = row_at<Type>(d_o, i) + d;
        delta = n >= lanes ? fma(load(a), load(b), delta)
                           : fma(load_first(a, static_cast<int>(n)), load_first(b, static_cast<int>(n)), delta);
      }
      s.s.delta[i] = sum(delta);
      s.s.lse[i] = real ? t.lse[head * t.T + i] * log2_e : 0;
    }
  }
}

template <class Type>
void write_d_q(const State<Type>& s, Index head) {
  const auto& t = s.t;
  auto* to = static_cast<typename Type::Element*>(t.d_q) + head * t.D;
  for (Index i = 0; i < t.T; ++i)
    write_scaled<Type>(to + i * t.d_q_stride, s.s.d_q + i * padded<Type>(t.D), t.scale, t.D);
}

template <class Type>
void run_block(State<Type>& s, Index head, Index key, Index query, bool first_of_keys) {
  const auto& t = s.t;
  const Index at = query / block * transposed_floats(t.D);
  s.q = s.s.q + at;
  s.d_o = s.s.d_o + at;
  s.delta = s.s.delta + query;
  s.lse = s.s.lse + query;
  if (s.dropout.threshold) {
    set_queries(s.drops, s.dropout, query);
    score_gradients<Type, true>(s);
  } else {
    score_gradients<Type, false>(s);
  }
  const bool accumulate = head > 0 || !first_of_keys;
  add_to_keys(s, s.s.p_queries, s.s.d_o_pairs, s.s.d_v, query, accumulate);
  add_to_keys(s, s.s.ds_queries, s.s.q_pairs, s.s.d_k, query, accumulate);
  add_to_queries(s, s.s.d_q + query * padded<Type>(t.D), key > 0);
}

template <class Type>
void zero_rows(void* to, Index stride, Index rows, Index width) {
  auto* out = static_cast<typename Type::Element*>(to);
  for (Index r = 0; r < rows; ++r)
    for (Index d = 0; d < width; ++d) out[r * stride + d] = 0;
}

template <class Type>
void backward(const AttentionBackwardTask& t) {
  using Element = typename Type::Element;
  if (t.keys <= 0) {
    zero_rows<Type>(t.d_q, t.d_q_stride, t.T, t.group * t.D);
    zero_rows<Type>(t.d_k, t.d_k_stride, t.S, t.D);
    zero_rows<Type>(t.d_v, t.d_v_stride, t.S, t.D);
    return;
  }
  State<Type> s{t, Scratch<Type>(t.scratch, t.T, t.S, t.D), t.dropout, {}, {}, {}, {}, {}, {}, {}};
  store(s.scale, splat(t.scale * log2_e));
  pack_rows<Type>(s.s.k, t.k, 0, t.keys, t.D);
  pack_rows<Type>(s.s.v, t.v, 0, t.keys, t.D);
  if (Type::pair == 2) pack_pairs<Type>(s.s.k_pairs, t.k, 0, t.keys, t.D);
  for (Index head = 0; head < t.group; ++head) {
    pack_head(s, head);
    for (Index key = 0; key < t.keys; key += block) {
      bool first = true;
      for (Index query = t.causal ? key : 0; query < t.T; query += block) {
        set_queries(s.see, t.causal, 0, query, t.T - query < block ? t.T - query : block, t.keys);
        set_keys(s.see, key, t.keys - key);
        run_block(s, head, key, query, first);
        first = false;
      }
    }
    write_d_q(s, head);
    s.dropout.counter += static_cast<std::uint64_t>(t.T) * s.dropout.groups;
  }
  const Index width = padded<Type>(t.D);
  const float value_scale = t.dropout.threshold ? t.dropout.keep_scale : 1.0f;
  for (Index key = 0; key < t.keys; ++key) {
    write_scaled<Type>(static_cast<Element*>(t.d_k) + key * t.d_k_stride, s.s.d_k + key * width, t.scale, t.D);
    write_scaled<Type>(static_cast<Element*>(t.d_v) + key * t.d_v_stride, s.s.d_v + key * width, value_scale, t.D);
  }
  zero_rows<Type>(static_cast<Element*>(t.d_k) + t.keys * t.d_k_stride, t.d_k_stride, t.S - t.keys, t.D);
  zero_rows<Type>(static_cast<Element*>(t.d_v) + t.keys * t.d_v_stride, t.d_v_stride, t.S - t.keys, t.D);
}

}  // namespace

template <class Type>
std::int64_t attention_backward_scratch(std::int64_t T, std::int64_t S, std::int64_t D) {
  return Scratch<Type>(nullptr, T, S, D).bytes;
}
template <class Type>
void attention_backward(const AttentionBackwardTask& t) {
  backward<Type>(t);
}
template std::int64_t attention_backward_scratch<F32>(std::int64_t, std::int64_t, std::int64_t);
template std::int64_t attention_backward_scratch<Bf16>(std::int64_t, std::int64_t, std::int64_t);
template void attention_backward<F32>(const AttentionBackwardTask&);
template void attention_backward<Bf16>(const AttentionBackwardTask&);

}  // namespace hone::kernel::HONE_ISA
