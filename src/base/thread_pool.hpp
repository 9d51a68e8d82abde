// hone's own threads. A loop of independent tasks is handed to all of them; which thread takes which task is
// left open, so no result may depend on it. The calling thread works too. No OpenMP: see doc/gemm.md.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace hone {

// A view of a callable void(task, worker); valid while the callable lives.
class TaskFunction {
 public:
  template <class F>
  TaskFunction(const F& f)  // NOLINT: implicit on purpose
      : object_(&f), call_([](const void* o, std::int64_t task, int worker) {
          (*static_cast<const F*>(o))(task, worker);
        }) {}
  void operator()(std::int64_t task, int worker) const { call_(object_, task, worker); }

 private:
  const void* object_;
  void (*call_)(const void*, std::int64_t, int);
};

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // threads >= 1, the caller included
  // Stands for a pool in plans that ask only how many threads there will be; starts none, runs in the caller.
  static std::unique_ptr<ThreadPool> unstarted(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls f(task, worker) for every task in [0, tasks), worker in [0, threads()); returns when all are done.
  // An exception of a task is thrown here, after the others have finished.
  void run(std::int64_t tasks, TaskFunction f);

 private:
  struct Shared;
  ThreadPool(int threads, bool start);
  void work(int worker);

  int threads_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace hone
