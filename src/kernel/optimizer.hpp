// The update: the global norm of the gradients, and AdamW (Loshchilov & Hutter, "Decoupled weight decay
// regularization", 2019) in one pass over its streams.
#pragma once
#include <cstdint>
#include <span>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

// norm = sqrt(sum of squares over all gradients). Each gradient is cut into blocks of a fixed size from its
// start; block sums are added in order in f64. Also clip_scale = min(1, clip / (norm + 1e-6)), 1 when clip <=
// 0, as torch.nn.utils.clip_grad_norm_ does. Gradients may come scaled: norm and clip are of what they are
// when divided by scaled_by, and clip_scale does both.
struct GradientNorm {
  struct Part {
    In data;  // f32 or bf16
    std::int64_t n = 0;
  };
  std::span<const Part> parts;
  const float* clip = nullptr;
  const float* scaled_by = nullptr;  // or null: 1
  float* norm = nullptr;
  float* clip_scale = nullptr;
};

// The sums of its blocks by themselves: sums[b] is block b's in f32, sums[blocks + b] what that lacks of it,
// together 48 bits.
struct Squares {
  GradientNorm::Part part;
  float* sums = nullptr;
};
constexpr std::int64_t norm_block = 32768;  // the leaf of the norm's sum; another size gives other bits
constexpr std::int64_t norm_blocks(std::int64_t n) { return (n + norm_block - 1) / norm_block; }

// What the loop hands to every update node of a step, in this order, as one f32 input tensor.
struct AdamWStep {
  float lr, beta1, beta2, epsilon, weight_decay;
  float correction1, correction2;  // 1 - beta^t
};

// g = gradient * *clip_scale; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w = w (1 - lr wd) - lr (m / c1) /
// (sqrt(v / c2) + eps); low = w rounded to its type. Each operation is rounded to f32 on its own, so w, m and
// v are the same for every instruction set; moments may be denormal.
// w of bf16: rounded up or down by 16 bits drawn for each element, so that on average it stays what it is.
struct AdamW {
  std::int64_t n = 0;
  Out w{};                // f32 or bf16
  std::uint64_t key = 0;  // of those bits: those of base/random.hpp's philox(key, i / 8)
  In gradient{};          // f32, or bf16 where w is
  float* m = nullptr;
  float* v = nullptr;
  Out low{};  // or without data
  const AdamWStep* step = nullptr;
  bool decay = true;
  const float* clip_scale = nullptr;  // or null: 1
};

// What the loops take of a step; clip_scale may be null: 1.
struct AdamWCoefficients;
AdamWCoefficients coefficients(const AdamWStep&, bool decay, const float* clip_scale);
Out part_of(const Out& all, std::int64_t first);  // from that element on; no data stays none
In part_of(const In& all, std::int64_t first);

std::int64_t scratch_bytes(const GradientNorm&);

void run(const GradientNorm&, Isa, ThreadPool&, void* scratch);
void run(const Squares&, Isa, ThreadPool&);
void run(const AdamW&, Isa, ThreadPool&);

}  // namespace hone::kernel
