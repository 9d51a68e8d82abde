#include "base/thread_pool.hpp"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/float_mode.hpp"

namespace hone {
namespace {

// A worker spins this long before it sleeps: a training step has thousands of short loops in a row, and
// waking a sleeper costs 5 to 50 us.
constexpr int spins_before_sleep = 20000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct ThreadPool::Shared {
  std::atomic<std::uint32_t> generation{0};  // raised once a loop; its change starts the workers
  std::atomic<std::int64_t> next{0};
  // Workers inside the loop, and whether more may enter. The caller waits only for those inside: on a busy
  // machine a worker that has no core yet would hold up every loop (13 times the time for small steps beside
  // two busy processes).
  std::atomic<std::uint32_t> gate{0};
  static constexpr std::uint32_t open = 1u << 31;
  std::int64_t tasks = 0;
  const TaskFunction* function = nullptr;
  std::atomic<bool> stop{false};
  std::mutex error_lock;
  std::exception_ptr error;
  std::vector<std::thread> threads;

  bool enter() {
    std::uint32_t inside = gate.load(std::memory_order_relaxed);
    while (inside & open)
      if (gate.compare_exchange_weak(inside, inside + 1, std::memory_order_acquire,
                                     std::memory_order_relaxed))
        return true;
    return false;
  }

  void drain(int worker) {
    for (;;) {
      const std::int64_t task = next.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks) return;
      try {
        (*function)(task, worker);
      } catch (...) {
        const std::lock_guard lock(error_lock);
        if (!error) error = std::current_exception();
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : ThreadPool(threads, true) {}

std::unique_ptr<ThreadPool> ThreadPool::unstarted(int threads) {
  return std::unique_ptr<ThreadPool>(new ThreadPool(threads, false));
}

ThreadPool::ThreadPool(int threads, bool start) : threads_(threads), shared_(std::make_unique<Shared>()) {
  for (int worker = 1; start && worker < threads_; ++worker)
    shared_->threads.emplace_back([this, worker] { work(worker); });
}

ThreadPool::~ThreadPool() {
  shared_->stop.store(true);
  shared_->generation.fetch_add(1);
  shared_->generation.notify_all();
  for (auto& t : shared_->threads) t.join();
}

void ThreadPool::work(int worker) {
  set_standard_float_mode();
  Shared& s = *shared_;
  std::uint32_t seen = 0;
  for (;;) {
    for (int i = 0; i < spins_before_sleep && s.generation.load(std::memory_order_acquire) == seen; ++i)
      pause();
    while (s.generation.load(std::memory_order_acquire) == seen) s.generation.wait(seen);
    seen = s.generation.load(std::memory_order_acquire);
    if (s.stop.load()) return;
    if (!s.enter()) continue;
    s.drain(worker);
    s.gate.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::run(std::int64_t tasks, TaskFunction f) {
  if (shared_->threads.empty() || tasks <= 1) {
    for (std::int64_t task = 0; task < tasks; ++task) f(task, 0);
    return;
  }
  Shared& s = *shared_;
  s.tasks = tasks;
  s.function = &f;
  s.next.store(0, std::memory_order_relaxed);
  s.gate.store(Shared::open, std::memory_order_release);
  s.generation.fetch_add(1, std::memory_order_release);
  s.generation.notify_all();
  s.drain(0);
  s.gate.fetch_and(~Shared::open, std::memory_order_relaxed);
  for (int i = 0; s.gate.load(std::memory_order_acquire) != 0; ++i)
    i < spins_before_sleep ? pause() : std::this_thread::yield();
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace hone
