#include "machine/yardstick.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>

#include "machine/isa/peak.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr std::int64_t rounds = 5000;  // of a loop between two looks at the clock: 0.1 to 0.4 ms

auto loop_of(const PeakLoops& loops, Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::bf16:
      return loops.bf16;
    case Arithmetic::int8:
      return loops.int8;
    case Arithmetic::f32:
      break;
  }
  return loops.f32;
}

}  // namespace

double sustained_gops(ThreadPool& pool, Isa isa, Arithmetic arithmetic, double seconds) {
  const auto loop = loop_of(peak_loops_of(isa), arithmetic);
  std::vector<double> rate(static_cast<std::size_t>(pool.threads()));
  const auto begin = Clock::now();
  pool.run(pool.threads(), [&](std::int64_t task, int) {
    const auto start = Clock::now();
    double done = 0;
    do done += loop(rounds);
    while (seconds_since(begin) < seconds);
    rate[static_cast<std::size_t>(task)] = 1e-9 * done / seconds_since(start);
  });
  return std::accumulate(rate.begin(), rate.end(), 0.0);
}

double read_gb_s(ThreadPool& pool, Isa isa, std::span<const std::byte> memory) {
  const auto read = peak_loops_of(isa).read;
  const std::size_t share = memory.size() / static_cast<std::size_t>(pool.threads()) / 512 * 512;
  static std::atomic<std::uint64_t> sum{0};  // which the reads cannot be left out of
  const auto start = Clock::now();
  pool.run(pool.threads(), [&](std::int64_t task, int) {
    sum += read(memory.data() + share * static_cast<std::size_t>(task), share);
  });
  return 1e-9 * static_cast<double>(share) * pool.threads() / seconds_since(start);
}

Spread spread_of(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.front(), samples.back()};
}

}  // namespace hone
