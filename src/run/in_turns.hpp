// Work timed in turns with the yardstick, so that both see the same state of the machine.
#pragma once
#include <chrono>
#include <vector>

#include "machine/yardstick.hpp"

namespace hone {

class InTurns {
 public:
  // limit_seconds: of each sample of the limit.
  InTurns(ThreadPool& pool, Isa isa, Arithmetic arithmetic, double limit_seconds)
      : pool_(pool), isa_(isa), arithmetic_(arithmetic), limit_seconds_(limit_seconds) {}

  // Times the limit, then work(), which does so many operations `times` over.
  template <class Work>
  void measure(double flops, int times, const Work& work) {
    const double limit = sustained_gops(pool_, isa_, arithmetic_, limit_seconds_);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    seconds_.push_back(took.count() / times);
    gflops_.push_back(1e-9 * flops / seconds_.back());
    limit_.push_back(limit);
    share_.push_back(gflops_.back() / limit);
  }

  Spread seconds() const { return spread_of(seconds_); }
  Spread gflops() const { return spread_of(gflops_); }
  Spread limit() const { return spread_of(limit_); }
  double share_of_limit() const { return spread_of(share_).median; }

 private:
  ThreadPool& pool_;
  Isa isa_;
  Arithmetic arithmetic_;
  double limit_seconds_;
  std::vector<double> seconds_, gflops_, limit_, share_;
};

}  // namespace hone
