// Under AddressSanitizer: what no tensor needs any more cannot be read, what outlives a program can.
#include <gtest/gtest.h>

#include "tiny_gpt2.hpp"
#include "train/step_program.hpp"
#include "train/trainer_impl.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

namespace hone {
namespace {

TEST(LiveTensors, TheRestOfTheArenaIsPoisoned) {
  Trainer::Impl impl(TrainPlan(TinyGpt2{}.model(), {.batch = 2, .micro_batch = 2, .seq = 12, .threads = 1}));
  std::byte* arena = impl.executor.arena().data();
  const MicroProgram& micro = impl.planned().micro[0];
  impl.set_inputs(toy_batch(0, 2, 12, 67), 0, 24);
  impl.executor.run(micro.train);
  const auto workspace = static_cast<std::size_t>(impl.planned().job.workspace_bytes());
  std::size_t poisoned = 0;
  for (std::size_t i = 0; i < workspace; ++i)
    poisoned += static_cast<std::size_t>(__asan_address_is_poisoned(arena + i));
  EXPECT_GT(poisoned, workspace * 9 / 10);  // all but the losses
  const auto readable = [](std::span<const std::byte> b) {
    return __asan_region_is_poisoned(const_cast<std::byte*>(b.data()), b.size()) == nullptr;
  };
  EXPECT_TRUE(
      readable(impl.executor.output(micro.train, losses_of(impl.planned().job.programs()[micro.train]))));
  for (const auto& [name, shared] : impl.planned().job.shared())
    EXPECT_TRUE(readable(impl.executor.bytes(name))) << name;
}

}  // namespace
}  // namespace hone
#endif
