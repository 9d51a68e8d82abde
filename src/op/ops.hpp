// The ops: their attributes and records. Each is defined in the file of its name; table.cpp lists them all.
// Shapes: rows = product of all axes but the last; [..] in a comment is a tensor's shape. The enumerators are
// the places of a node's inputs.
#pragma once
#include <cstdint>
#include <span>

#include "ir/op_record.hpp"
#include "kernel/attention.hpp"
#include "kernel/element.hpp"

namespace hone::op {

using kernel::Activation;

template <class V>
void print_rows(const RowRange& rows, V&& v) {
  if (rows) v("first_row", rows.first), v("rows", rows.rows);
}

// (ids i32[..], table f32[V,C]) -> f32[..,C]
struct EmbeddingInputs {
  enum : std::size_t { ids, table };
};
extern const OpRecord embedding;
// The same of a table that is kept as a tensor train (op/core_shapes.hpp), whose cores are
// [rows,left,columns,right], or of the form of low rank [V,r] and [r,C]:
// (ids i32[..], core0, core1[, core2]) -> f32[..,C], each row rounded to `rounded`, the table's type
struct CoreEmbeddingInputs {
  enum : std::size_t { ids, core0 };
};
struct CoreEmbeddingAttributes {
  DType rounded = DType::f32;
  template <class V>
  void fields(V&& v) const {
    v("rounded", name(rounded));
  }
};
extern const OpRecord core_embedding;
// (ids, dy f32[..,C], sum f32[V,C], step) -> next sum
struct SumAttributes {
  bool begun = false;  // an earlier node of this program has begun the sum
  RowRange rows{};     // of a weight's gradient: those that this node adds to
  template <class V>
  void fields(V&& v) const {
    v("begun", begun), print_rows(rows, v);
  }
};
struct EmbeddingGradientInputs {
  enum : std::size_t { ids, dy, sum, step };
};
extern const OpRecord embedding_gradient;
// (rows f32[..,C], ids i32[..], sum f32[V,C]) -> next sum, each id's rows added
struct AddRowsInputs {
  enum : std::size_t { rows, ids, sum };
};
extern const OpRecord add_rows;

// (w f32[N,K], scales f32[N,G], minima f32[N,G]) -> what w is once it is rounded: scale * code + minimum of
// each group of a row, the code from 0 to levels - 1 that is nearest. Made of a weight in phase prepare;
// gradients pass through to the weight as if it were not there (Bengio et al., arXiv 1308.3432).
struct SimulateInputs {
  enum : std::size_t { w, scales, minima };
};
struct SimulateAttributes {
  std::int64_t group = 64, levels = 16;
  template <class V>
  void fields(V&& v) const {
    v("group", group), v("levels", levels);
  }
};
extern const OpRecord simulate;
// (w f32[N,K]) -> what rounding to nearest makes of it, each group's line over its own numbers
// (kernel/code_line.hpp). In phase prepare, and with gradients, as simulate.
struct RoundWeightAttributes {
  int bits = 4;
  std::int64_t group = 64;
  bool symmetric = false;
  template <class V>
  void fields(V&& v) const {
    v("bits", bits), v("group", group), v("symmetric", symmetric);
  }
};
extern const OpRecord round_weight;

// (x[B,T,..], kept[batch,T,..] of x's type, step) -> next kept, with the micro-batch's x at its place in the
// step; x may be some of the micro-batch's rows, those from `first` on
struct KeepInputs {
  enum : std::size_t { x, kept, step };
};
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
struct NormAttributes {
  float epsilon = 1e-5f;
  DType dtype = DType::f32;
  float offset = 0;  // of gamma; only about zero
  template <class V>
  void fields(V&& v) const {
    v("epsilon", epsilon), v("dtype", name(dtype));
    if (offset != 0) v("offset", offset);
  }
};
extern const OpRecord layer_norm;
// (dy, x, gamma, mean, rstd, sum of gamma, sum of beta, step[, addend f32]) -> dx f32, next sums; dx = addend
// + the norm's own gradient
struct NormGradientAttributes {
  bool begun = false;  // as in SumAttributes
  float offset = 0;
  template <class V>
  void fields(V&& v) const {
    v.operand("addend");
    if (begun) v("begun", begun);
    if (offset != 0) v("offset", offset);
  }
};
extern const OpRecord layer_norm_gradient;
extern const OpRecord rms_norm;           // the same about zero: without beta and mean
extern const OpRecord rms_norm_gradient;  // without mean and beta's sum

// (x[..,K], w[N,K][, bias f32[N]][, residual f32[..,N]]) -> s = x w^T + bias in `dtype`
//   with activation: two outputs, s and activation(s); with residual: f32 residual + s
struct LinearInputs {
  enum : std::size_t { x, weight, bias, residual };
};
struct LinearAttributes {
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  bool few_rows = false;  // the sum over k has the shape of kernel/few_rows.hpp (pass/few_rows.cpp)
  RowRange rows{};        // of weight and bias: y has as many columns
  template <class V>
  void fields(V&& v) const {
    v.operand("bias"), v.operand("residual"), v("activation", static_cast<std::int32_t>(activation));
    v("dtype", name(dtype));
    if (few_rows) v("few_rows", few_rows);
    print_rows(rows, v);
  }
};
extern const OpRecord linear;
// (dy[..,N], w[N,K][, pre[..,K]]) -> dx[..,K] of dy's type; with activation times activation'(pre)
struct LinearInputGradientInputs {
  enum : std::size_t { dy, weight, pre };
};
struct LinearInputGradientAttributes {
  Activation activation = Activation::none;
  DType dtype = DType::f32;
  RowRange rows{};  // of the weight
  template <class V>
  void fields(V&& v) const {
    v("activation", static_cast<std::int32_t>(activation)), v("dtype", name(dtype)), print_rows(rows, v);
  }
};
extern const OpRecord linear_input_gradient;
struct LinearWeightGradientInputs {
  enum : std::size_t { dy, x, sum, step };
};
extern const OpRecord linear_weight_gradient;  // (dy, x, sum f32[N,K], step) -> next sum; SumAttributes
struct ColumnSumInputs {
  enum : std::size_t { dy, sum, step };
};
extern const OpRecord column_sum;  // (dy[..,N], sum f32[N], step) -> next sum; SumAttributes
struct ColumnLargestInputs {
  enum : std::size_t { x, largest, step };
};
extern const OpRecord column_largest;  // (x[..,K], largest f32[K], step) -> next: of |x|, over micro-batches

struct ActivationAttributes {
  Activation kind = Activation::none;
  template <class V>
  void fields(V&& v) const {
    v("kind", static_cast<std::int32_t>(kind));
  }
};
extern const OpRecord activation;           // (x) -> kind(x)
extern const OpRecord activation_gradient;  // (dy, x) -> dy kind'(x)

// (gate, x of its shape and type) -> kind(gate) x; ActivationAttributes
struct GatedInputs {
  enum : std::size_t { gate, x };
};
extern const OpRecord gated;
struct GatedGradientInputs {
  enum : std::size_t { dy, gate, x };
};
extern const OpRecord gated_gradient;  // -> d gate, d x

// (x) -> cap tanh(x / cap)
struct SoftcapAttributes {
  float cap = 1;
  template <class V>
  void fields(V&& v) const {
    v("cap", cap);
  }
};
extern const OpRecord softcap;
extern const OpRecord softcap_gradient;  // (dy, what softcap made) -> dx

// (x f32[..]) -> factor x
struct ScaleAttributes {
  float factor = 1;
  template <class V>
  void fields(V&& v) const {
    v("factor", factor);
  }
};
extern const OpRecord scale;

// (positions i32[..], frequencies f32[C/2]) -> f32[..,C]: the sines of position * frequency, then the cosines
struct SinusoidsInputs {
  enum : std::size_t { positions, frequencies };
};
extern const OpRecord sinusoids;

// (x[B,T,heads*D], positions i32[B,T], frequencies f32[width/2]) -> x with elements d and d + width/2 of each
// head turned by position * frequency d, and multiplied by `factor`
struct RotateInputs {
  enum : std::size_t { x, positions, frequencies };
};
struct RotateAttributes {
  std::int64_t heads = 1;
  bool inverse = false;  // by the negative angles: the gradient
  float factor = 1;
  template <class V>
  void fields(V&& v) const {
    v("heads", heads);
    if (inverse) v("inverse", inverse);
    if (factor != 1) v("factor", factor);
  }
};
extern const OpRecord rotate;

// (q[B,T,heads*D], k[B,S,kv*D], v[B,S,kv*D][, lengths i32[B]], step) -> o[B,T,heads*D], lse f32[B,heads,T];
// keys from lengths[b] on are seen by nobody
struct AttentionInputs {
  enum : std::size_t { q, k, v, lengths, step };
};
struct AttentionAttributes {
  std::int64_t heads = 1, kv_heads = 1;
  float scale = 1;
  kernel::Sees sees = kernel::Sees::causal();
  float dropout = 0;
  std::uint64_t stream = 0;
  template <class V>
  void fields(V&& v) const {
    v("heads", heads), v("kv_heads", kv_heads), v("scale", scale);
    v("causal", sees.looks_back());
    if (sees.kind == kernel::Sees::Kind::window) v("window", sees.positions);
    if (sees.kind == kernel::Sees::Kind::prefix) v("prefix", sees.positions);
    v("dropout", dropout), v("stream", stream);
  }
};
extern const OpRecord attention;
// The same in decoding: k and v are states that a source's program has written.
extern const OpRecord source_attention;
struct AttentionGradientInputs {
  enum : std::size_t { d_o, q, k, v, o, lse, lengths, step };
};
extern const OpRecord attention_gradient;  // -> dq, dk, dv
// Causal attention over rows of several examples, of which each sees itself alone and begins at a position 0:
// (q, k, v, positions i32[B,T], step); AttentionAttributes.
struct PackedAttentionInputs {
  enum : std::size_t { q, k, v, positions, step };
};
extern const OpRecord packed_attention;
struct PackedAttentionGradientInputs {
  enum : std::size_t { d_o, q, k, v, o, lse, positions, step };
};
extern const OpRecord packed_attention_gradient;  // -> dq, dk, dv

// (kv[B,T,kv*D], cache[blocks,block,kv*D], table i32[B,n], lengths i32[B]) -> next cache, with the rows of
// kv written at positions lengths[b] + t
struct CacheAppendInputs {
  enum : std::size_t { rows, cache, table, lengths };
};
extern const OpRecord cache_append;
// The same into a cache of codes, u8[blocks,block,kv_heads*(D+4)] (kernel/cache_codes.hpp).
struct CacheCodesAttributes {
  std::int64_t kv_heads = 1;
  template <class V>
  void fields(V&& v) const {
    v("kv_heads", kv_heads);
  }
};
extern const OpRecord cache_append_codes;  // CacheAppendInputs
// (q, cache k, cache v, table, lengths) -> o: query t of sequence b sees positions 0..lengths[b]+t. Both
// caches are of q's type, or codes.
struct CachedAttentionInputs {
  enum : std::size_t { q, cache_k, cache_v, table, lengths };
};
extern const OpRecord cached_attention;  // AttentionAttributes

// (logits[..,V], labels i32[..], scale f32[1]) -> loss f32[..], lse f32[..]; its gradient is of
// scale * the sum of the losses. A share `label_smoothing` of each target is spread over all V.
struct CrossEntropyAttributes {
  float label_smoothing = 0;
  template <class V>
  void fields(V&& v) const {
    if (label_smoothing > 0) v("label_smoothing", label_smoothing);
  }
};
struct CrossEntropyInputs {
  enum : std::size_t { logits, labels, scale };
};
extern const OpRecord cross_entropy;
struct CrossEntropyGradientInputs {
  enum : std::size_t { logits, labels, lse, scale };
};
extern const OpRecord cross_entropy_gradient;  // -> d logits

// (logits[..,V], labels i32[..], ids i32[..,k], masses f32[..,k+1], scale f32[1]) -> loss f32[..], lse
// f32[..], soft_lse f32[..], others f32[..]: kernel/soft_targets.hpp; its gradient is of scale * the sum of
// the losses
struct SoftCrossEntropyAttributes {
  float share = 0.5f, temperature = 1;
  template <class V>
  void fields(V&& v) const {
    v("share", share), v("temperature", temperature);
  }
};
struct SoftCrossEntropyInputs {
  enum : std::size_t { logits, labels, ids, masses, scale };
};
extern const OpRecord soft_cross_entropy;
struct SoftCrossEntropyGradientInputs {
  enum : std::size_t { logits, labels, ids, masses, lse, soft_lse, others, scale };
};
extern const OpRecord soft_cross_entropy_gradient;  // -> d logits
// (x[..,C], target f32[..,C], labels i32[..], scale f32[1]) -> loss f32[..], and the factors by which x and
// target have a root mean square of 1, f32[..] each: kernel/state_error.hpp; its gradient is of scale * the
// sum of the losses
struct StateErrorInputs {
  enum : std::size_t { x, target, labels, scale };
};
extern const OpRecord state_error;
struct StateErrorGradientInputs {
  enum : std::size_t { x, target, labels, x_factor, target_factor, scale };
};
extern const OpRecord state_error_gradient;  // -> dx
// (x[B,T,W], target f32[B,T,W'], labels i32[B,T], scale f32[1]) -> loss f32[B,T], and the logarithms of the
// softmaxes' sums of x and of target, f32[B,heads,T] each: kernel/relation_error.hpp; its gradient is of
// scale * the sum of the losses
struct RelationErrorAttributes {
  std::int64_t heads = 1;
  bool causal = true;
  template <class V>
  void fields(V&& v) const {
    v("heads", heads), v("causal", causal);
  }
};
struct RelationErrorInputs {
  enum : std::size_t { x, target, labels, scale };
};
extern const OpRecord relation_error;
struct RelationErrorGradientInputs {
  enum : std::size_t { x, target, labels, x_lse, target_lse, scale };
};
extern const OpRecord relation_error_gradient;  // -> dx
// (logits[..,V]) -> ids i32[..,count] of the likeliest classes, ascending; masses f32[..,count+1] of each of
// them, then of all others, by softmax(logits / temperature); of the first `classes` (0: of all)
struct LikeliestAttributes {
  std::int64_t count = 1;
  float temperature = 1;
  std::int64_t classes = 0;
  template <class V>
  void fields(V&& v) const {
    v("count", count), v("temperature", temperature), v("classes", classes);
  }
};
extern const OpRecord likeliest;

// (logits[..,V], labels i32[..]) -> f32[..]: 1 where the label has the first of the largest logits; 0 else,
// and where it is ignored
struct HitInputs {
  enum : std::size_t { logits, labels };
};
extern const OpRecord hit;

// (clip f32[1], [scaled_by f32[1]], gradients...) -> norm f32[1], factor f32[1]
struct GradientNormInputs {
  enum : std::size_t { clip, scaled_by, gradients };
};
extern const OpRecord gradient_norm;
// The same of sums taken before: (gradient) -> sums of squares of its blocks f32[2,blocks], whose columns add
// up to more than f32 holds; (sums...) -> norm f32[1]
extern const OpRecord squares, norm_of_squares;
extern const OpRecord accumulate;  // (sum f32, more f32) -> next sum = sum + more
struct KeepZerosInputs {
  enum : std::size_t { sum, weight };
};
extern const OpRecord keep_zeros;  // (sum, weight) -> next sum, zero where the weight is

// All of them but the optimizers' (optimizer/optimizer.hpp); the table-driven tests and benches run through
// it.
std::span<const OpRecord* const> table();

}  // namespace hone::op
