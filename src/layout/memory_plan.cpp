#include "layout/memory_plan.hpp"

#include <algorithm>
#include <numeric>

namespace hone {
namespace {

bool meet(const Block& a, const Block& b) { return a.first <= b.last && b.first <= a.last; }

// Storage roots as blocks, those that may overwrite one another joined into one.
class Lifetimes {
 public:
  explicit Lifetimes(const Program& p) : p_(p), block_(p.tensors.size(), -1) {
    std::vector<std::int32_t> last(p.tensors.size(), -1);
    const auto end = static_cast<std::int32_t>(p.nodes.size());
    for (std::int32_t n = 0; n < end; ++n)
      for (const TensorId id : p.nodes[static_cast<std::size_t>(n)].inputs)
        if (id) last[root(id)] = n;
    for (const Output& output : p.outputs) last[root(output.id)] = end;
    for (std::int32_t n = 0; n < end; ++n) {
      const Node& node = p.nodes[static_cast<std::size_t>(n)];
      for (std::size_t i = 0; i < node.outputs.size(); ++i) define(node, static_cast<int>(i), n, last);
    }
  }

  std::vector<Block> blocks;
  std::int32_t block_of(std::size_t tensor) const { return block_[tensor]; }

 private:
  std::size_t root(TensorId id) const { return static_cast<std::size_t>(p_.root(id).value); }

  void define(const Node& node, int output, std::int32_t n, const std::vector<std::int32_t>& last) {
    const TensorId id = node.outputs[static_cast<std::size_t>(output)];
    const std::size_t r = root(id);
    if (p_.tensors[r].role != Role::activation || block_[r] >= 0) return;
    const std::int32_t until = std::max(n, last[r]);
    const int over = node.op->alias ? node.op->alias(node, output) : -1;
    if (over >= 0 && p_[id].alias == Alias::none) {
      const TensorId input = node.inputs[static_cast<std::size_t>(over)];
      const std::size_t from = root(input);
      const std::int32_t block = block_[from];
      const bool dies = block >= 0 && last[from] == n && blocks[static_cast<std::size_t>(block)].last == n;
      if (dies && p_[input].alias == Alias::none && p_[input].type.bytes() == p_[id].type.bytes()) {
        block_[r] = block;
        blocks[static_cast<std::size_t>(block)].last = until;
        return;
      }
    }
    block_[r] = static_cast<std::int32_t>(blocks.size());
    blocks.push_back({.bytes = p_.tensors[r].type.bytes(), .first = n, .last = until});
  }

  const Program& p_;
  std::vector<std::int32_t> block_;
};

}  // namespace

std::int64_t place(std::vector<Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<std::size_t> placed;  // by offset
  std::int64_t total = 0;
  for (const std::size_t i : order) {
    Block& block = blocks[i];
    std::int64_t offset = 0;
    for (const std::size_t j : placed) {
      if (!meet(block, blocks[j])) continue;
      if (offset + block.bytes <= blocks[j].offset) break;
      offset = std::max(offset, aligned(blocks[j].offset + blocks[j].bytes));
    }
    block.offset = offset;
    total = std::max(total, offset + block.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), i,
                         [&](std::size_t a, std::size_t b) { return blocks[a].offset < blocks[b].offset; }),
        i);
  }
  return total;
}

Workspace plan_workspace(const Program& p, const std::vector<std::int64_t>& scratch_bytes) {
  Lifetimes lifetimes(p);
  auto blocks = lifetimes.blocks;
  std::vector<std::int32_t> scratch_block(p.nodes.size(), -1);
  for (std::size_t n = 0; n < p.nodes.size(); ++n) {
    if (scratch_bytes[n] == 0) continue;
    scratch_block[n] = static_cast<std::int32_t>(blocks.size());
    const auto at = static_cast<std::int32_t>(n);
    blocks.push_back({.bytes = scratch_bytes[n], .first = at, .last = at});
  }
  Workspace w;
  w.scratch_bytes = scratch_bytes;
  w.bytes = place(blocks);
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    const std::int32_t block = lifetimes.block_of(i);
    w.tensor_offset.push_back(block < 0 ? -1 : blocks[static_cast<std::size_t>(block)].offset);
  }
  for (const std::int32_t block : scratch_block)
    w.scratch_offset.push_back(block < 0 ? -1 : blocks[static_cast<std::size_t>(block)].offset);
  return w;
}

}  // namespace hone
