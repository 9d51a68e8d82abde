#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "hone/machine.hpp"
#include "machine/limits.hpp"
#include "machine/memory.hpp"

namespace hone {
namespace {

// No ratio here is held to a figure: the machine may be shared and slowed at any instant.
TEST(Limits, ArePositiveAndQuick) {
  for (const Isa isa : all_isas) {
    if (!cpu_has(isa)) continue;
    const auto start = std::chrono::steady_clock::now();
    const MachineLimits limits = measure_limits(2, isa);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    for (const double limit : {limits.f32_gflops.median, limits.bf16_gflops.median, limits.int8_gops.median,
                               limits.read_gb_s, limits.copy_gb_s})
      EXPECT_GT(limit, 0.1) << name(isa);
    EXPECT_LT(limits.f32_gflops.max, 1e5);
    EXPECT_LE(limits.f32_gflops.min, limits.f32_gflops.median);
    EXPECT_LE(limits.f32_gflops.median, limits.f32_gflops.max);
    EXPECT_LT(took.count(), 10) << "0.3 s where nothing disturbs";
  }
}

TEST(InstructionSets, HaveTheirNamesAndWhatTheyStandOn) {
  for (const Isa isa : all_isas) {
    EXPECT_EQ(isa_from_name(name(isa)), isa);
    const Isa base = same_bits_as(isa);
    EXPECT_EQ(same_bits_as(base), base);
    EXPECT_EQ(has_bf16_products(base), has_bf16_products(isa)) << name(isa);
    if (cpu_has(isa)) {
      EXPECT_TRUE(cpu_has(base)) << name(isa);
    }
  }
  EXPECT_EQ(name(same_bits_as(Isa::avx_vnni)), "avx2");
  EXPECT_EQ(name(same_bits_as(Isa::avx512_vnni)), "avx512");
  EXPECT_TRUE(cpu_has(best_isa()));
}

TEST(Memory, CountsWhatIsTouched) {
  const std::int64_t before = current_rss_bytes();
  constexpr std::size_t size = std::size_t{64} << 20;
  std::vector<char> block(size, 1);
  char* volatile seen = block.data();  // clang leaves out a block that nobody can see
  EXPECT_GT(current_rss_bytes(), before + static_cast<std::int64_t>(size) / 2);
  EXPECT_GE(peak_rss_bytes() + (1 << 20), current_rss_bytes());
  EXPECT_GT(total_memory_bytes(), peak_rss_bytes());
  EXPECT_EQ(seen[size / 2], 1);
}

TEST(Memory, NamesTheMachine) {
  EXPECT_FALSE(cpu_name().empty());
  EXPECT_GE(cpu_count(), 1);
}

}  // namespace
}  // namespace hone
