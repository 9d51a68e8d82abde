// AdamW with moments of eight bits (Dettmers et al., "8-bit optimizers via block-wise quantization", 2022):
// blocks of block_values, counted from the weight's start, each with its largest magnitude in f32.
//
// A code stands for a share of that magnitude on the paper's dynamic map: decades from 1e-7 to 1, each
// cut into twice as many equal parts as the one below, a part standing for its middle. The mean has a sign
// and 1 part in the lowest decade, the squares have 2. Two things differ from the paper's code: the highest
// part stands for 1, so that a block's largest value stays itself without a code of its own; and squares
// above zero never become zero, for a zero beside a mean that is none would be a step of mean / epsilon.
#pragma once
#include <cstdint>

#include "kernel/optimizer.hpp"

namespace hone::kernel {

struct Moment8 {
  std::uint8_t* codes = nullptr;  // [n]; 0 is zero
  float* largest = nullptr;       // [moment_blocks(n)]
};

struct AdamW8Bit {
  static constexpr std::int64_t block_values = 256;
  std::int64_t n = 0;
  Out w{};  // as AdamW's
  std::uint64_t key = 0;
  In gradient{};  // f32, or bf16 where w is
  Moment8 m, v;
  Out low{};  // or without data
  const AdamWStep* step = nullptr;
  bool decay = true;
  const float* clip_scale = nullptr;
};
constexpr std::int64_t moment_blocks(std::int64_t n) {
  return (n + AdamW8Bit::block_values - 1) / AdamW8Bit::block_values;
}

// The update is AdamW's on the decoded moments, and each operation is rounded on its own: the same bits on
// every instruction set.
void run(const AdamW8Bit&, Isa, ThreadPool&);

// The map by itself: the code of `share`, in [-1, 1] or with squares [0, 1], and what a code stands for.
std::uint8_t moment_code(float share, bool squares);
float moment_share(std::uint8_t code, bool squares);

}  // namespace hone::kernel
