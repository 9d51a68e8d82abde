// The forecast of memory to the byte: a training job fills its arena to the last byte, and nothing beyond.
#include <gtest/gtest.h>

#include "op/common.hpp"
#include "op/inputs.hpp"
#include "tiny_gpt2.hpp"
#include "train/trainer_impl.hpp"

namespace hone {
namespace {

struct Setting {
  TinyGpt2 model;
  std::int64_t batch, micro_batch, seq;
  Precision precision;
  int threads;

  TrainPlanOptions options() const {
    return {
        .batch = batch, .micro_batch = micro_batch, .seq = seq, .precision = precision, .threads = threads};
  }
};

std::vector<Setting> grid() {
  std::vector<Setting> all;
  for (const TinyGpt2& model : {TinyGpt2{}, TinyGpt2{.layers = 1, .heads = 1, .width = 7, .vocab_size = 11},
                                TinyGpt2{.layers = 1, .heads = 2, .width = 64, .vocab_size = 9000}})
    for (const auto& [batch, micro] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {5, 2}, {8, 8}})
      for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp16})
        for (const int threads : {1, 3}) all.push_back({model, batch, micro, 31, precision, threads});
  return all;
}

std::string describe(const Setting& s) {
  return std::to_string(s.model.width) + " wide, batch " + std::to_string(s.batch) + " by " +
         std::to_string(s.micro_batch) + ", " + name(s.precision) + ", " + std::to_string(s.threads) +
         " threads";
}

// An executor hands its arena out; the page behind it is mapped too (exec/arena.hpp), so that a write past
// the end shows as a changed byte.
std::span<std::byte> behind(Executor& executor) {
  const std::span<std::byte> arena = executor.arena();
  const auto end = reinterpret_cast<std::uintptr_t>(arena.data() + arena.size());
  return {arena.data() + arena.size(), (end + 4095) / 4096 * 4096 + 4096 - end};
}

// Runs every program of the job over an arena that held `pattern` everywhere, and returns it.
std::vector<std::byte> arena_after_a_run(const Setting& s, const Model& model, std::byte pattern) {
  const TrainPlan plan(model, s.options());
  EXPECT_EQ(plan.forecast().arena_bytes, plan.impl().job.arena_bytes());
  Trainer::Impl impl(plan);
  EXPECT_EQ(static_cast<std::int64_t>(impl.executor.arena().size()), plan.forecast().arena_bytes)
      << describe(s);
  const auto guard = behind(impl.executor);
  std::fill(impl.executor.arena().begin(), impl.executor.arena().end(), pattern);
  std::fill(guard.begin(), guard.end(), pattern);
  impl.load_weights();
  impl.derive();
  for (const auto& [name, shared] : plan.impl().job.shared())  // what a fresh run starts from
    if (shared.tensor.purpose == Purpose::optimizer) {
      const auto zero = impl.executor.bytes(name);
      std::fill(zero.begin(), zero.end(), std::byte{0});
    }
  while (impl.samples < s.batch) {  // the whole step: an update reads the rows of every sequence
    const std::size_t i = s.batch - impl.samples >= s.micro_batch ? 0 : 1;
    const MicroProgram& micro = plan.impl().micro[i];
    const Batch batch = toy_batch(1, micro.sequences, s.seq, s.model.vocab_size);
    const Samples samples = batch.samples();
    const op::StepInfo step{.seed_low = 1,
                            .seed_high = 2,
                            .first_sample = static_cast<std::int32_t>(impl.samples),
                            .micro = impl.samples > 0};
    const Place place{.step = step, .counts = {{input::labels, s.batch * s.seq}}};
    feed(impl.executor, micro.evaluate, samples, place);
    impl.executor.run(micro.evaluate);
    feed(impl.executor, micro.train, samples, place);
    impl.executor.run(micro.train);
    impl.samples += micro.sequences;
  }
  const float hyper[7] = {1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f};
  std::memcpy(impl.executor.bytes(input::hyper).data(), hyper, sizeof hyper);
  impl.executor.view<float>(input::clip)[0] = 1;
  if (impl.scales_losses()) impl.executor.view<float>(input::scaled_by)[0] = 1;
  impl.executor.run(plan.impl().norm);
  impl.executor.run(plan.impl().update);
  EXPECT_TRUE(std::all_of(guard.begin(), guard.end(), [&](std::byte b) { return b == pattern; }))
      << "written behind the arena: " << describe(s);
  return {impl.executor.arena().begin(), impl.executor.arena().end()};
}

// The end of what changed. A byte was touched when it differs from what it held; two patterns, as a value may
// happen to equal one.
std::size_t high_water(const std::vector<std::byte>& a, const std::vector<std::byte>& b, std::size_t end) {
  while (end > 0 && a[end - 1] == std::byte{0xff} && b[end - 1] == std::byte{0xa5}) --end;
  return end;
}

// Also: whatever the arena held, results are the same, so nothing is read before it is written.
TEST(Arena, IsUsedToTheLastByteAndNoFurther) {
  for (const Setting& s : grid()) {
    SCOPED_TRACE(describe(s));
    const Model model = s.model.model();
    const TrainPlan plan(model, s.options());
    const JobPlan& job = plan.impl().job;
    const auto a = arena_after_a_run(s, model, std::byte{0xff}),
               b = arena_after_a_run(s, model, std::byte{0xa5});
    ASSERT_EQ(static_cast<std::int64_t>(a.size()), job.arena_bytes());
    EXPECT_EQ(high_water(a, b, a.size()), a.size());
    const auto workspace = static_cast<std::size_t>(job.workspace_bytes());
    EXPECT_EQ(high_water(a, b, workspace), workspace);
    for (const auto& [name, shared] : job.shared()) {
      const auto at = static_cast<std::ptrdiff_t>(shared.offset),
                 end = at + static_cast<std::ptrdiff_t>(shared.tensor.type.bytes());
      EXPECT_TRUE(std::equal(a.begin() + at, a.begin() + end, b.begin() + at)) << name;
    }
  }
}

}  // namespace
}  // namespace hone
