// The ops: their attributes and records. Each is defined in the file of its name; table.cpp lists them all.
// Shapes: rows = product of all axes but the last; [..] in a comment is a tensor's shape.
#pragma once
#include <cstdint>
#include <span>

#include "ir/op_record.hpp"
#include "kernel/element.hpp"

namespace hone::op {

using kernel::Activation;

// (ids i32[B,T], table f32[V,C]) -> f32[B,T,C]
extern const OpRecord embedding;
// (ids, dy f32[B,T,C], sum f32[V,C], step) -> next sum
struct SumAttributes {
  bool begun = false;  // an earlier node of this program has begun the sum
  template <class V>
  void fields(V&& v) const {
    v("begun", begun);
  }
};
extern const OpRecord embedding_gradient;
// (rows f32[B,T,C], ids i32[B,T], sum f32[V,C]) -> next sum, each id's rows added
extern const OpRecord add_rows;

// (x[B,T,..], kept[batch,T,..] of x's type, step) -> next kept, with the micro-batch's x at its place in the
// step; x may be some of the micro-batch's rows, those from `first` on
struct KeepAttributes {
  std::int64_t first = 0;
  template <class V>
  void fields(V&& v) const {
    v("first", first);
  }
};
extern const OpRecord keep;

// (a, b) of one shape -> a + b, in `dtype`
struct TypeAttributes {
  DType dtype = DType::f32;
  template <class V>
  void fields(V&& v) const {
    v("dtype", name(dtype));
  }
};
extern const OpRecord add;
extern const OpRecord cast;  // (x) -> x in `dtype`

// (x[..,C], stream of step) -> x with elements dropped
struct DropoutAttributes {
  float p = 0;
  std::uint64_t stream = 0;
  template <class V>
  void fields(V&& v) const {
    v("p", p), v("stream", stream);
  }
};
extern const OpRecord dropout;

// (x f32[..,C], gamma f32[C], beta f32[C]) -> y[..,C] in `dtype`, mean f32[rows], rstd f32[rows]
struct LayerNormAttributes {
  float epsilon = 1e-5f;
  DType dtype = DType::f32;
  template <class V>
  void fields(V&& v) const {
    v("epsilon", epsilon), v("dtype", name(dtype));
  }
};
extern const OpRecord layer_norm;
// (dy, x, gamma, mean, rstd, sum of gamma, sum of beta, step[, addend f32]) -> dx f32, next sums
struct LayerNormGradientAttributes {
  bool addend = false;  // dx = addend + the norm's own gradient
  template <class V>
  void fields(V&& v) const {
    v("addend", addend);
  }
};
extern const OpRecord layer_norm_gradient;

// (x[..,K], w[N,K][, bias f32[N]][, residual f32[..,N]]) -> s = x w^T + bias in `dtype`
//   with activation: two outputs, s and activation(s); with residual: f32 residual + s
struct LinearAttributes {
  bool bias = false;
  bool residual = false;
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  bool few_rows = false;  // the sum over k has the shape of kernel/few_rows.hpp (pass/few_rows.cpp)
  template <class V>
  void fields(V&& v) const {
    v("bias", bias), v("residual", residual), v("activation", static_cast<std::int32_t>(activation));
    v("dtype", name(dtype));
    if (few_rows) v("few_rows", few_rows);
  }
};
extern const OpRecord linear;
// (dy[..,N], w[N,K][, pre[..,K]]) -> dx[..,K] of dy's type; with activation times activation'(pre)
struct LinearInputGradientAttributes {
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  template <class V>
  void fields(V&& v) const {
    v("activation", static_cast<std::int32_t>(activation)), v("dtype", name(dtype));
  }
};
extern const OpRecord linear_input_gradient;
extern const OpRecord linear_weight_gradient;  // (dy, x, sum f32[N,K], step) -> next sum; SumAttributes
extern const OpRecord column_sum;              // (dy[..,N], sum f32[N], step) -> next sum; SumAttributes

struct ActivationAttributes {
  Activation kind = Activation::none;
  template <class V>
  void fields(V&& v) const {
    v("kind", static_cast<std::int32_t>(kind));
  }
};
extern const OpRecord activation;           // (x) -> kind(x)
extern const OpRecord activation_gradient;  // (dy, x) -> dy kind'(x)

// (q[B,T,heads*D], k[B,T,kv*D], v[B,T,kv*D], step) -> o[B,T,heads*D], lse f32[B,heads,T]
struct AttentionAttributes {
  std::int64_t heads = 1, kv_heads = 1;
  float scale = 1;
  bool causal = true;
  float dropout = 0;
  std::uint64_t stream = 0;
  template <class V>
  void fields(V&& v) const {
    v("heads", heads), v("kv_heads", kv_heads), v("scale", scale), v("causal", causal);
    v("dropout", dropout), v("stream", stream);
  }
};
extern const OpRecord attention;
extern const OpRecord attention_gradient;  // (do, q, k, v, o, lse, step) -> dq, dk, dv

// (kv[B,T,kv*D], cache[blocks,block,kv*D], table i32[B,n], lengths i32[B]) -> next cache, with the rows of
// kv written at positions lengths[b] + t
extern const OpRecord cache_append;
// (q, cache k, cache v, table, lengths) -> o: query t of sequence b sees positions 0..lengths[b]+t
extern const OpRecord cached_attention;  // AttentionAttributes

// (logits[..,V], labels i32[..], scale f32[1]) -> loss f32[..], lse f32[..]; its gradient is of
// scale * the sum of the losses
extern const OpRecord cross_entropy;
extern const OpRecord cross_entropy_gradient;  // (logits, labels, lse, scale) -> d logits

// (clip f32[1], gradients...) -> norm f32[1], factor f32[1]
extern const OpRecord gradient_norm;
// (w, gradient, m, v, hyper f32[7], factor f32[1][, low bf16]) -> next w, m, v[, low]
struct AdamWAttributes {
  bool decay = true;
  bool low = false;
  template <class V>
  void fields(V&& v) const {
    v("decay", decay), v("low", low);
  }
};
extern const OpRecord adamw;
extern const OpRecord accumulate;  // (sum f32, more f32) -> next sum = sum + more

// All of them; the table-driven tests and benches run through it.
std::span<const OpRecord* const> table();

}  // namespace hone::op
