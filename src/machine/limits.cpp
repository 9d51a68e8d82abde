#include "machine/limits.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/thread_pool.hpp"
#include "machine/isa/peak.hpp"

namespace hone {
namespace {

const PeakLoops& loops(Isa isa) {
  switch (isa) {
    case Isa::avx512: return avx512::peak_loops;
    case Isa::avx2: return avx2::peak_loops;
    case Isa::portable: break;
  }
  return portable::peak_loops;
}

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr double budget_seconds = 0.05;      // a limit
constexpr std::int64_t short_rounds = 40000;  // 1 to 3 ms: shorter than most disturbances, longer than a start

// The highest rate of short runs, in 1e9 a second. work(worker) is done once by each thread and returns an
// amount.
template <class Work>
double best_rate(ThreadPool& pool, const Work& work) {
  const auto begin = Clock::now();
  double best = 0;
  do {
    const auto start = Clock::now();
    double amount = 0;
    pool.run(pool.threads(), [&](std::int64_t task, int) {
      const double done = work(static_cast<int>(task));
      if (task == 0) amount = done;
    });
    best = std::max(best, 1e-9 * amount * pool.threads() / seconds_since(start));
  } while (seconds_since(begin) < budget_seconds);
  return best;
}

}  // namespace

MachineLimits measure_limits(int threads, Isa isa) {
  ThreadPool pool(threads);
  const PeakLoops& loop = loops(isa);
  MachineLimits limits;
  limits.f32_gflops = best_rate(pool, [&](int) { return loop.f32(short_rounds); });
  limits.bf16_gflops = best_rate(pool, [&](int) { return loop.bf16(short_rounds); });
  limits.int8_gops = best_rate(pool, [&](int) { return loop.int8(short_rounds); });

  // Every thread has its own share of a buffer that no last-level cache holds in full.
  constexpr std::size_t total = std::size_t{64} << 20;
  const std::size_t share = total / static_cast<std::size_t>(threads) / 1024 * 1024;
  const std::unique_ptr<char, decltype(&std::free)> buffer(
      static_cast<char*>(std::aligned_alloc(1024, share * static_cast<std::size_t>(threads))), &std::free);
  pool.run(threads, [&](std::int64_t t, int) { std::memset(buffer.get() + share * static_cast<std::size_t>(t), 1, share); });
  volatile std::uint64_t sink = 0;
  limits.read_gb_s = best_rate(pool, [&](int t) {
    const std::uint64_t sum = loop.read(buffer.get() + share * static_cast<std::size_t>(t), share);
    if (sum == 1) sink = sum;
    return static_cast<double>(share);
  });
  limits.copy_gb_s = best_rate(pool, [&](int t) {
    char* from = buffer.get() + share * static_cast<std::size_t>(t);
    std::memcpy(from + share / 2, from, share / 2);
    return static_cast<double>(share);
  });
  return limits;
}

const MachineLimits& this_machine(int threads, Isa isa) {
  static std::mutex lock;
  static std::map<std::pair<int, Isa>, MachineLimits> known;  // its elements stay where they are
  threads = std::min(threads, std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  const std::lock_guard guard(lock);
  const auto found = known.find({threads, isa});
  return found != known.end() ? found->second : known[{threads, isa}] = measure_limits(threads, isa);
}

}  // namespace hone
