// How an architecture is written down: a function from a builder and its input tensors to its outputs, called
// once for each shape that is needed. Nothing is computed while it runs; it records a program. What it is
// trained for is a function like it, over outputs and inputs: an objective.
//
//   hone::Tensor tiny(hone::Builder& b, hone::Tensor tokens) {             // [B,T] -> [B,T,V]
//     auto table = b.parameter("wte", {256, 64}, {.init = hone::normal(0.02f)});
//     auto x = hone::embedding(tokens, table);                             // [B,T,64]
//     x = x + hone::linear(hone::gelu(hone::linear(hone::layer_norm(x, "norm"), "up", 256)), "down", 64);
//     return hone::linear(x, table);                                       // tied head
//   }
//
// B samples, T positions, C width, V vocabulary. A tensor holds f32 here; mixed precision is a pass over
// what was recorded. Whatever is wrong throws hone::Error naming the scope in which it was written.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/error.hpp"
#include "hone/init.hpp"

namespace hone {

class Builder;
struct BuilderState;

// A value in the program that is being written: a number and its builder, cheap to copy.
class HONE_API Tensor {
 public:
  Tensor() = default;
  std::vector<std::int64_t> shape() const;
  std::int64_t width() const;  // the last axis

  // For hone itself:
  Tensor(BuilderState* builder, std::int32_t id);
  BuilderState* builder() const;  // null when the call of the architecture that made it is over
  std::int32_t id() const { return id_; }

 private:
  std::uint64_t call_ = 0;  // of an architecture; 0: none
  std::int32_t id_ = -1;
};

struct ParameterOptions {
  Init init = normal(0.02f);
  bool decay = true;        // weight decay applies; by habit not to biases and norms
  bool transposed = false;  // files keep the transpose of this matrix (GPT-2's Conv1D is [in,out])
  bool trained = true;      // else frozen: saved and loaded like any other, but no gradient and no update
};

// What stands in an input that the data brings.
enum class InputKind : std::uint8_t {
  ids,      // i32, each 0 <= id < below
  labels,   // the same, or -100 where nothing counts
  lengths,  // i32, 1 to `below`: how many positions of a sample count, the rest is padding
  values,   // f32: pixels, sound, targets
};
struct InputOptions {
  InputKind kind = InputKind::values;
  std::int64_t below = 0;    // for all but values
  bool once_a_step = false;  // one tensor for all samples of a step: a temperature
};

class HONE_API Builder {
 public:
  explicit Builder(BuilderState* state) : state_(state) {}

  // A weight by name, under the scopes that are open. The second use of a name must agree with the first.
  Tensor parameter(std::string_view name, std::initializer_list<std::int64_t> shape, ParameterOptions = {});
  // An input by name, [B, sizes of a sample..] (once_a_step: [sizes..]). The second use of a name must agree
  // with the first. A batch brings a span for each (hone/samples.hpp).
  Tensor input(std::string_view name, std::initializer_list<std::int64_t> sample, InputOptions);
  Tensor tokens();  // the ids of a language model, [B,T]
  // The position of every token, [B,T]: 0..T-1 in training, further on when a cache is read.
  Tensor positions();
  // 0..length-1 in each sample, [B,length], whatever a cache holds: of a source, of pixels.
  Tensor positions(std::int64_t length);
  // Numbers that belong to the program, in f32: a table of frequencies. At most some thousands.
  Tensor constant(std::string_view name, std::initializer_list<std::int64_t> shape,
                  std::span<const float> values);
  std::int64_t batch() const;
  std::int64_t seq() const;
  // The most positions that a sequence has here: seq(), or what the cache of a program that decodes is for.
  std::int64_t longest() const;
  std::int64_t vocab_size() const;  // of the model
  bool training() const;  // is it the program of a training step? An objective may have terms for that alone
  // What was made before under this whole name (see `named`): by it an objective looks inside of a network.
  // Error(input) with the nearest where there is none.
  Tensor activation(std::string_view name) const;
  std::int64_t size(
      std::string_view name) const;  // of TrainPlanOptions::sizes; Error(usage) where it is none
  std::int64_t size(std::string_view name, std::int64_t missing) const;  // the same, or `missing`

  // While the returned object lives, names are prefixed by "name." (or "name.index.").
  class HONE_API Scope {
   public:
    Scope(BuilderState* state, const std::string& prefix);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    BuilderState* state_;
    std::size_t outer_;
  };
  [[nodiscard]] Scope scope(std::string_view name);
  [[nodiscard]] Scope scope(std::string_view name, int index);

 private:
  BuilderState* state_;
};

struct LinearOptions {
  bool bias = true;
  Init init = normal(0.02f);
  bool transposed = false;  // see ParameterOptions
};
// What a call does with the cache of a program that decodes.
enum class CacheUse : std::uint8_t {
  self,   // its keys and values go behind those that are there, and all of them are seen
  cross,  // its keys and values are a source's: written once, when the source is read, and seen by every step
  none,   // it sees its own keys and values only
};
struct AttentionOptions {
  std::int64_t heads = 1;
  std::int64_t kv_heads = 0;  // 0: as many as heads
  bool causal = true;         // a query sees the keys up to its own place; else all of them
  float dropout = 0;          // of the probabilities
  float scale = 0;            // of the scores; 0: 1/sqrt(head size)
  std::int64_t window = 0;    // causal: only the last so many keys; 0: no limit
  std::int64_t prefix = 0;    // causal: the first so many keys in any case
  Tensor lengths{};           // i32[B]: how many keys of each sample count; none: all
  CacheUse cache = CacheUse::self;
};

struct RotaryOptions {
  std::int64_t heads = 1;
  std::int64_t width = 0;  // how much of each head is rotated, from its front, an even number; 0: all
  float theta = 10000;     // the frequency of pair d is theta^(-2 d / width) radians a position
  Tensor positions{};      // i32[B,T]; none: Builder::positions()
  // Radians a position of each of the width/2 pairs, where theta does not say them: a context that was
  // stretched. Empty: by theta.
  std::span<const float> frequencies{};
  float factor = 1;  // what is rotated is multiplied by it (the attention factor of YaRN and LongRoPE)
};

// What a gate goes through.
enum class GateFunction : std::uint8_t { silu, gelu, gelu_new, relu };

// Rows of a [V,C] table by id: [..] -> [..,C].
HONE_API Tensor embedding(Tensor ids, Tensor table);
// x w^T (+ bias) with parameters NAME.weight [out,in] and NAME.bias [out].
HONE_API Tensor linear(Tensor x, std::string_view name, std::int64_t out, LinearOptions = {});
// x w^T with a given weight [out,in].
HONE_API Tensor linear(Tensor x, Tensor weight);
// The same with a bias [out], or by some rows of a joint weight: its uses together must use each row.
struct JointLinearOptions {
  Tensor bias{};
  std::int64_t first = 0, rows = 0;  // of weight and bias; 0 rows: all
};
HONE_API Tensor linear(Tensor x, Tensor weight, JointLinearOptions);
// Layer normalisation with parameters NAME.weight and NAME.bias [C] (Ba et al., 2016).
HONE_API Tensor layer_norm(Tensor x, std::string_view name, float epsilon = 1e-5f);
// x / sqrt(mean of x^2 + epsilon) times the parameter NAME.weight [C] (Zhang & Sennrich, 2019); or times
// offset + NAME.weight, which then begins at 1 - offset (Gemma: 1).
HONE_API Tensor rms_norm(Tensor x, std::string_view name, float epsilon = 1e-6f, float offset = 0);
HONE_API Tensor gelu(Tensor x);      // x Phi(x), with erf
HONE_API Tensor gelu_new(Tensor x);  // its tanh form (GPT-2)
HONE_API Tensor relu(Tensor x);
HONE_API Tensor silu(Tensor x);
// f(gate) x, element by element: the middle of a gated feed-forward (Shazeer, 2020), SwiGLU by silu.
HONE_API Tensor gated(Tensor gate, Tensor x, GateFunction f = GateFunction::silu);
HONE_API Tensor softcap(Tensor x, float cap);   // cap tanh(x / cap): within +-cap
HONE_API Tensor scale(Tensor x, float factor);  // factor x
// Sinusoidal positions (Vaswani et al., 2017) of ids [..] -> [..,width]: the sines of position
// theta^(-2d/width) for d below width/2, then the cosines, as Marian has them; PyTorch's tutorial puts the
// two in turns.
HONE_API Tensor sinusoids(Tensor positions, std::int64_t width, float theta = 10000);
// Rotary position embedding (Su et al., 2021) of queries or keys [B,T,heads*D]: of each head, elements d and
// d + width/2 are a pair, as in Hugging Face's Llama.
HONE_API Tensor rotate(Tensor x, RotaryOptions);
// softmax(scale q k^T) v by heads; q [B,T,heads*D], k and v [B,S,kv_heads*D] -> [B,T,heads*D]. Only where a
// query sees all keys may S differ from T.
HONE_API Tensor attention(Tensor q, Tensor k, Tensor v, AttentionOptions);
// In training: zero with probability p, the rest scaled by 1/(1-p). `name` keys the random stream.
HONE_API Tensor dropout(Tensor x, float p, std::string_view name);
// Parts of the last axis, as views: [..,sum] -> [..,size] each.
HONE_API std::vector<Tensor> split(Tensor x, std::initializer_list<std::int64_t> sizes);
// The same values in another shape, or with their axes in another order, as views.
HONE_API Tensor reshape(Tensor x, std::initializer_list<std::int64_t> shape);
HONE_API Tensor permute(Tensor x, std::initializer_list<int> axes);
HONE_API Tensor operator+(Tensor a, Tensor b);
// The same tensor, known by this name too, under the open scopes; for TrainPlanOptions::keep. What linear,
// the norms and dropout make is known by the name given to them, what other functions make by the function's
// ("h.0.gelu", the second in a scope "h.0.gelu.2"; a sum by "sum"), the result as "logits"; what attention
// reads as "h.0.attention.q", ".k" and ".v".
HONE_API Tensor named(Tensor x, std::string_view name);

// The loss of each row: the negative logarithm of the softmax of logits [..,V] at its label [..]; 0 where the
// label is -100. Labels are an input of kind `labels`.
struct CrossEntropyOptions {
  // In training, as dropout: (1-e) of that loss and e of its mean over all V labels, as PyTorch's
  // CrossEntropyLoss(label_smoothing=e). What evaluates has the plain loss.
  float label_smoothing = 0;
};
HONE_API Tensor cross_entropy(Tensor logits, Tensor labels, CrossEntropyOptions = {});

// The same against a teacher's distribution besides (Hinton et al., 2015): (1 - share) of that loss, and of
// temperature^2 KL(teacher || softmax(logits / temperature)) the share. Of the teacher some ids [..,k] are
// known one by one, each once, and in masses [..,k+1] its probabilities at that temperature: of each, then of
// all other ids together, so that the divergence is one over k + 1 classes; they are divided by their sum. 0
// where the label is -100. What evaluates has the plain loss, and does not read the teacher's inputs.
struct SoftCrossEntropyOptions {
  float share = 0.5f;     // 0 to 1
  float temperature = 2;  // above 0
};
HONE_API Tensor soft_cross_entropy(Tensor logits, Tensor labels, Tensor ids, Tensor masses,
                                   SoftCrossEntropyOptions = {});

// The loss of each row of states x [..,C] against a teacher's, of the same shape, each divided by its root
// mean square: the mean of the squared differences, which is twice the distance of their cosine from 1 (Sanh
// et al., DistilBERT, 2019); 0 where the label [..] is -100.
HONE_API Tensor state_error(Tensor x, Tensor target, Tensor labels);
// The loss of each position's relations to others against a teacher's (Wang et al., MiniLMv2, 2020): of
// queries, keys or values x [B,T,W] and target [B,T,W'], both cut into so many heads, the mean over these of
// the divergence of softmax(x_t x_j / sqrt(W / heads)) over positions j from the teacher's; 0 where the label
// [B,T] is -100.
struct RelationErrorOptions {
  std::int64_t heads = 1;  // divide both widths; attention's own do not matter
  bool causal = true;      // a position is related to those up to its own; else to all
};
HONE_API Tensor relation_error(Tensor x, Tensor target, Tensor labels, RelationErrorOptions = {});

// What a network makes, by name. A language model's logits [B,T,V] are called "logits".
using Outputs = std::map<std::string, Tensor, std::less<>>;
// An architecture in general: declares its inputs by the builder.
using Network = std::function<Outputs(Builder&)>;
// The short form of a language model: from token ids [B,T] to logits [B,T,V].
using Architecture = std::function<Tensor(Builder&, Tensor tokens)>;
HONE_API Network language_model(Architecture);

// One term of what is minimised: weight times the mean of the losses over the labels that count in a whole
// step.
struct LossTerm {
  std::string name;
  Tensor losses;  // of one of the losses above
  float weight = 1;
};
// What a network is trained for, over its outputs and whatever inputs the objective declares; one term or
// more. Parameters that it makes are trained with the model and kept in checkpoints, and are no part of the
// model.
using Objective = std::function<std::vector<LossTerm>(Builder&, const Outputs&)>;
// The next token's cross entropy: labels [B,T] as the input "labels", the term "loss". Of whatever decodes: a
// language model, or one that reads a source too.
HONE_API Objective next_token(CrossEntropyOptions = {});

}  // namespace hone
