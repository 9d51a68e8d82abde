// Where every tensor of a program lies: a pure function of lifetimes and alias permissions to offsets.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/op_record.hpp"

namespace hone {

constexpr std::int64_t alignment_bytes = 64;
constexpr std::int64_t aligned(std::int64_t bytes) {
  return (bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
}

// A stretch of memory that is needed from node `first` to node `last`, both included.
struct Block {
  std::int64_t bytes = 0;
  std::int32_t first = 0, last = 0;
  std::int64_t offset = -1;  // the answer
};

// Gives every block an offset so that no two that live at the same time overlap; returns the bytes needed.
// Greedy by size: the largest first, each at the lowest gap that fits (Pisarchyk & Lee, "Efficient memory
// management for deep neural net inference", 2020).
std::int64_t place(std::vector<Block>& blocks);

// The workspace of one program: its activations and each node's scratch.
struct Workspace {
  std::vector<std::int64_t> tensor_offset;   // of each storage root that is an activation; else -1
  std::vector<std::int64_t> scratch_offset;  // of each node; -1 where it needs none
  std::vector<std::int64_t> scratch_bytes;   // of each node
  std::int64_t bytes = 0;
};

// scratch_bytes: what each node's kernel asks for.
Workspace plan_workspace(const Program& program, const std::vector<std::int64_t>& scratch_bytes);

}  // namespace hone
