#include "machine/limits.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/arena.hpp"
#include "base/thread_pool.hpp"
#include "machine/yardstick.hpp"

namespace hone {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr double budget_seconds = 0.05;  // a limit

Spread sustained(ThreadPool& pool, Isa isa, Arithmetic arithmetic) {
  std::vector<double> samples;
  const auto begin = Clock::now();
  do samples.push_back(sustained_gops(pool, isa, arithmetic, 0.004));
  while (seconds_since(begin) < budget_seconds);
  return spread_of(std::move(samples));
}

// Of several runs. run() tells its speed.
template <class Run>
double best_of(const Run& run) {
  const auto begin = Clock::now();
  double best = 0;
  do best = std::max<double>(best, run());
  while (seconds_since(begin) < budget_seconds);
  return best;
}

// 1e9 bytes a second of all threads together, since they share the memory's channels: read and written.
double copy_gb_s(ThreadPool& pool, std::span<std::byte> memory) {
  const std::size_t half = memory.size() / static_cast<std::size_t>(pool.threads()) / 2;
  const auto start = Clock::now();
  pool.run(pool.threads(), [&](std::int64_t thread, int) {
    std::byte* const share = memory.data() + 2 * half * static_cast<std::size_t>(thread);
    std::memcpy(share + half, share, half);
  });
  return 1e-9 * 2 * static_cast<double>(half) * pool.threads() / seconds_since(start);
}

}  // namespace

std::int64_t probe_within(std::int64_t bytes) {
  constexpr std::int64_t least = std::int64_t{1} << 20;
  return static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(std::clamp(bytes, least, traffic_probe_bytes))));
}

MachineLimits measure_limits(int threads, Isa isa, std::int64_t probe_bytes) {
  ThreadPool pool(threads);
  MachineLimits limits;
  limits.f32_gflops = sustained(pool, isa, Arithmetic::f32);
  limits.bf16_gflops = sustained(pool, isa, Arithmetic::bf16);
  limits.int8_gops = sustained(pool, isa, Arithmetic::int8);

  // A buffer that few last-level caches hold, in huge pages where weights get them: in turns, small pages
  // read 16 to 56 GB/s, huge ones 45 to 52. (With an L3 of 32 MiB, 64 MiB read and copy 61 to 64, 128 MiB 45
  // to 54.)
  const Arena buffer(static_cast<std::size_t>(probe_bytes));
  const std::span<std::byte> memory(buffer.data(), buffer.size());
  std::ranges::fill(memory, std::byte{1});
  limits.read_gb_s = best_of([&] { return read_gb_s(pool, isa, memory); });
  limits.copy_gb_s = best_of([&] { return copy_gb_s(pool, memory); });
  return limits;
}

const MachineLimits& this_machine(int threads, Isa isa, std::int64_t probe_bytes) {
  static std::mutex lock;
  static std::map<std::tuple<int, Isa, std::int64_t>, MachineLimits>
      known;  // its elements stay where they are
  threads = std::min(threads, std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  const std::lock_guard guard(lock);
  const auto [at, fresh] = known.try_emplace({threads, isa, probe_bytes});
  if (fresh) at->second = measure_limits(threads, isa, probe_bytes);
  return at->second;
}

}  // namespace hone
