#include "layout/memory_plan.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"
#include "tiny_gpt2.hpp"
#include "train/plan_impl.hpp"

namespace hone {
namespace {

bool live_together(const Block& a, const Block& b) { return a.first <= b.last && b.first <= a.last; }

// No plan can do with less: the most bytes that are live at one node.
std::int64_t live_bytes(const std::vector<Block>& blocks) {
  std::int64_t most = 0;
  for (const Block& at : blocks) {  // the most are live where some block begins
    std::int64_t sum = 0;
    for (const Block& b : blocks)
      if (b.first <= at.first && at.first <= b.last) sum += b.bytes;
    most = std::max(most, sum);
  }
  return most;
}

void expect_sound(const std::vector<Block>& blocks, std::int64_t total) {
  std::int64_t end = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& a = blocks[i];
    ASSERT_GE(a.offset, 0);
    ASSERT_EQ(a.offset % alignment_bytes, 0);
    end = std::max(end, a.offset + a.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const Block& b = blocks[j];
      const bool apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
      ASSERT_TRUE(apart || !live_together(a, b)) << i << " " << j;
    }
  }
  EXPECT_EQ(total, end);
  EXPECT_GE(total, live_bytes(blocks));
}

TEST(MemoryPlan, NoTwoLiveBlocksOverlap) {
  Stream stream(stream_key("lifetimes", 1));
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(n)));
  };
  for (int round = 0; round < 300; ++round) {
    const std::int64_t nodes = 1 + below(40), count = 1 + below(80);
    std::vector<Block> blocks;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto first = static_cast<std::int32_t>(below(nodes));
      blocks.push_back({.bytes = 1 + below(round % 2 ? 5000 : 200),
                        .first = first,
                        .last = first + static_cast<std::int32_t>(below(nodes - first))});
    }
    auto again = blocks;
    const std::int64_t total = place(blocks);
    ASSERT_NO_FATAL_FAILURE(expect_sound(blocks, total));
    EXPECT_EQ(place(again), total);
    for (std::size_t i = 0; i < blocks.size(); ++i) ASSERT_EQ(blocks[i].offset, again[i].offset);
  }
}

TEST(MemoryPlan, BlocksThatNeverMeetShare) {
  std::vector<Block> blocks{{100, 0, 1}, {100, 2, 3}, {40, 1, 2}};
  EXPECT_EQ(place(blocks), 128 + 40);
  EXPECT_EQ(blocks[0].offset, blocks[1].offset);
  std::vector<Block> none;
  EXPECT_EQ(place(none), 0);
}

TensorId activate(Program& p, TensorId x) {
  return emit(p, op::activation, {x}, op::ActivationAttributes{op::Activation::relu}, "act")[0];
}

struct Chain {
  Program p;
  TensorId x = p.add({.name = "x", .type = op::f32({100}), .role = Role::input});
  std::int64_t offset(TensorId id) const {
    return plan_workspace(p, std::vector<std::int64_t>(p.nodes.size(), 0))
        .tensor_offset[static_cast<std::size_t>(id.value)];
  }
};

TEST(MemoryPlan, AnInputThatDiesIsOverwritten) {
  Chain c;
  const TensorId a = activate(c.p, c.x), b = activate(c.p, a), d = activate(c.p, b);
  c.p.outputs = {d};
  EXPECT_EQ(c.offset(a), c.offset(b));
  EXPECT_EQ(c.offset(b), c.offset(d));
  EXPECT_EQ(plan_workspace(c.p, {0, 0, 0}).bytes, 400);
  EXPECT_EQ(c.offset(c.x), -1) << "inputs are not of the workspace";
}

TEST(MemoryPlan, AnInputThatIsReadLaterIsNot) {
  Chain c;
  const TensorId a = activate(c.p, c.x), b = activate(c.p, a);
  c.p.outputs = {emit(c.p, op::add, {a, b}, op::TypeAttributes{}, "sum")[0]};
  EXPECT_NE(c.offset(a), c.offset(b));
}

TEST(MemoryPlan, AnOutputOfTheProgramIsNotOverwritten) {
  Chain c;
  const TensorId a = activate(c.p, c.x), b = activate(c.p, a);
  c.p.outputs = {a, b};
  EXPECT_NE(c.offset(a), c.offset(b));
}

TEST(MemoryPlan, ATensorOfWhichViewsAreReadLaterIsNotOverwritten) {
  Chain c;
  const TensorId a = activate(c.p, c.x);
  const TensorId half = add_view(c.p, a, {50}, {1}, 50, "half");
  const TensorId b = activate(c.p, a), d = activate(c.p, half);
  c.p.outputs = {b, d};
  EXPECT_NE(c.offset(a), c.offset(b));
}

TEST(MemoryPlan, AnInputOfOtherSizeIsNotOverwritten) {
  Chain c;
  const TensorId a = activate(c.p, c.x);
  const TensorId b = emit(c.p, op::add, {a, a}, op::TypeAttributes{DType::bf16}, "sum")[0];
  c.p.outputs = {b};
  EXPECT_NE(c.offset(a), c.offset(b));
}

TEST(MemoryPlan, ScratchLivesForItsNodeAlone) {
  Chain c;
  const TensorId a = activate(c.p, c.x), b = activate(c.p, a);
  c.p.outputs = {b};
  const Workspace w = plan_workspace(c.p, {1000, 1000});
  EXPECT_EQ(w.scratch_offset[0], w.scratch_offset[1]);
  EXPECT_EQ(w.bytes, 1024 + 400);
}

// The brute force over real programs: what is live at a node, by storage, against the plan's total.
TEST(MemoryPlan, Gpt2NeedsHardlyMoreThanWhatIsLive) {
  for (const std::int64_t layers : {1, 4})
    for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16}) {
      const TinyGpt2 tiny{.layers = layers, .heads = 4, .width = 100, .vocab_size = 500, .context = 64};
      const TrainPlan plan(tiny.model(),
                           {.batch = 4, .micro_batch = 4, .seq = 64, .precision = precision, .threads = 2});
      const Program& p = plan.impl().job.programs()[plan.impl().micro[0].train];
      const std::vector<std::int64_t> no_scratch(p.nodes.size(), 0);
      const Workspace w = plan_workspace(p, no_scratch);
      std::vector<Block> storages(p.tensors.size(), Block{.first = -1});
      const auto touch = [&](TensorId id, std::size_t n) {
        const TensorId root = p.root(id);
        if (p[root].role != Role::activation) return;
        Block& b = storages[static_cast<std::size_t>(root.value)];
        if (b.first < 0) b = {.bytes = p[root].type.bytes(), .first = static_cast<std::int32_t>(n)};
        b.last = static_cast<std::int32_t>(n);
      };
      for (std::size_t n = 0; n < p.nodes.size(); ++n) {
        for (const TensorId id : p.nodes[n].inputs)
          if (id) touch(id, n);
        for (const TensorId id : p.nodes[n].outputs) touch(id, n);
      }
      std::erase_if(storages, [](const Block& b) { return b.first < 0; });
      const JobPlan& job = plan.impl().job;
      EXPECT_EQ(workspace_bytes(p, job.options()), job.workspace(plan.impl().micro[0].train).bytes)
          << "what a pass may ask";
      const auto live = static_cast<double>(live_bytes(storages));
      EXPECT_LE(static_cast<double>(w.bytes), 1.3 * live);
      EXPECT_GE(static_cast<double>(w.bytes), 0.6 * live) << "less than what overwriting an input can save";
    }
}

}  // namespace
}  // namespace hone
