// How an architecture is written down: a function from a builder and its input tensors to an output tensor,
// called once for each shape that is needed. Nothing is computed while it runs; it records a program.
//
//   hone::Tensor tiny(hone::Builder& b, hone::Tensor tokens) {             // [B,T] -> [B,T,V]
//     auto table = b.parameter("wte", {256, 64}, {.init = hone::normal(0.02f)});
//     auto x = hone::embedding(tokens, table);                             // [B,T,64]
//     x = x + hone::linear(hone::gelu(hone::linear(hone::layer_norm(x, "norm"), "up", 256)), "down", 64);
//     return hone::linear(x, table);                                       // tied head
//   }
//
// B sequences, T positions, C width, V vocabulary. A tensor holds f32 here; mixed precision is a pass over
// what was recorded. Whatever is wrong throws hone::Error naming the scope in which it was written.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/error.hpp"

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

// Initial values, drawn from a stream keyed by the parameter's name and the seed.
struct Init {
  enum class Kind : std::uint8_t { zeros, ones, normal } kind = Kind::zeros;
  float deviation = 0;
};
inline Init normal(float deviation) { return {Init::Kind::normal, deviation}; }
inline Init zeros() { return {}; }
inline Init ones() { return {Init::Kind::ones, 0}; }

struct ParameterOptions {
  Init init = normal(0.02f);
  bool decay = true;        // weight decay applies; by habit not to biases and norms
  bool transposed = false;  // files keep the transpose of this matrix (GPT-2's Conv1D is [in,out])
};

class HONE_API Builder {
 public:
  explicit Builder(BuilderState* state) : state_(state) {}

  // A weight by name, under the scopes that are open. The second use of a name must agree with the first.
  Tensor parameter(std::string_view name, std::initializer_list<std::int64_t> shape, ParameterOptions = {});
  // The position of every token, [B,T]: 0..T-1 in training, further on when a cache is read.
  Tensor positions();
  std::int64_t batch() const;
  std::int64_t seq() const;

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
struct AttentionOptions {
  std::int64_t heads = 1;
  std::int64_t kv_heads = 0;  // 0: as many as heads
  bool causal = true;
  float dropout = 0;  // of the probabilities
  float scale = 0;    // of the scores; 0: 1/sqrt(head size)
};

// Rows of a [V,C] table by id: [B,T] -> [B,T,C].
HONE_API Tensor embedding(Tensor ids, Tensor table);
// x w^T (+ bias) with parameters NAME.weight [out,in] and NAME.bias [out].
HONE_API Tensor linear(Tensor x, std::string_view name, std::int64_t out, LinearOptions = {});
// x w^T with a given weight [out,in].
HONE_API Tensor linear(Tensor x, Tensor weight);
// Layer normalisation with parameters NAME.weight and NAME.bias [C] (Ba et al., 2016).
HONE_API Tensor layer_norm(Tensor x, std::string_view name, float epsilon = 1e-5f);
HONE_API Tensor gelu(Tensor x);      // x Phi(x), with erf
HONE_API Tensor gelu_new(Tensor x);  // its tanh form (GPT-2)
HONE_API Tensor relu(Tensor x);
HONE_API Tensor silu(Tensor x);
// softmax(scale q k^T) v by heads; q [B,T,heads*D], k and v [B,T,kv_heads*D] -> [B,T,heads*D].
HONE_API Tensor attention(Tensor q, Tensor k, Tensor v, AttentionOptions);
// In training: zero with probability p, the rest scaled by 1/(1-p). `name` keys the random stream.
HONE_API Tensor dropout(Tensor x, float p, std::string_view name);
// Parts of the last axis, as views: [B,T,sum] -> [B,T,size] each.
HONE_API std::vector<Tensor> split(Tensor x, std::initializer_list<std::int64_t> sizes);
HONE_API Tensor operator+(Tensor a, Tensor b);
// The same tensor, known by this name too, under the open scopes; for TrainPlanOptions::keep. What linear,
// layer_norm and dropout make is known by the name given to them, what other functions make by the
// function's ("h.0.gelu", the second in a scope "h.0.gelu.2"; a sum by "sum"), the result as "logits".
HONE_API Tensor named(Tensor x, std::string_view name);

}  // namespace hone
