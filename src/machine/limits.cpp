#include "machine/limits.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/arena.hpp"
#include "base/thread_pool.hpp"
#include "machine/isa/peak.hpp"
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

// Memory, in 1e9 bytes a second: the best run of all threads together, since they share its channels.
// work(thread) handles one share of share_bytes.
template <class Work>
double best_traffic(ThreadPool& pool, std::size_t share_bytes, const Work& work) {
  const auto begin = Clock::now();
  double best = 0;
  do {
    const auto start = Clock::now();
    pool.run(pool.threads(), [&](std::int64_t task, int) { work(task); });
    best = std::max(best, 1e-9 * static_cast<double>(share_bytes) * pool.threads() / seconds_since(start));
  } while (seconds_since(begin) < budget_seconds);
  return best;
}

}  // namespace

std::int64_t probe_within(std::int64_t bytes) {
  constexpr std::int64_t least = std::int64_t{1} << 20;
  return static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(std::clamp(bytes, least, traffic_probe_bytes))));
}

MachineLimits measure_limits(int threads, Isa isa, std::int64_t probe_bytes) {
  ThreadPool pool(threads);
  const PeakLoops& loop = peak_loops_of(isa);
  MachineLimits limits;
  limits.f32_gflops = sustained(pool, isa, Arithmetic::f32);
  limits.bf16_gflops = sustained(pool, isa, Arithmetic::bf16);
  limits.int8_gops = sustained(pool, isa, Arithmetic::int8);

  // Every thread has its own share of a buffer that few last-level caches hold, in huge pages where weights
  // get them: in turns, small pages read 16 to 56 GB/s, huge ones 45 to 52. (With an L3 of 32 MiB, 64 MiB
  // read and copy 61 to 64, 128 MiB 45 to 54.)
  const auto total = static_cast<std::size_t>(probe_bytes);
  const std::size_t share = total / static_cast<std::size_t>(threads) / 1024 * 1024;
  const Arena buffer(total);
  const auto part = [&](std::int64_t thread) {
    return reinterpret_cast<char*>(buffer.data()) + share * static_cast<std::size_t>(thread);
  };
  pool.run(threads, [&](std::int64_t thread, int) { std::memset(part(thread), 1, share); });
  std::atomic<std::uint64_t> sum{0};
  limits.read_gb_s =
      best_traffic(pool, share, [&](std::int64_t thread) { sum += loop.read(part(thread), share); });
  limits.copy_gb_s = best_traffic(pool, share, [&](std::int64_t thread) {
    std::memcpy(part(thread) + share / 2, part(thread), share / 2);
  });
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
