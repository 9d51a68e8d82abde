#include "kernel/cross_entropy.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/divide.hpp"
#include "kernel/isa/cross_entropy_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t task_elements = 16384;  // a few us of work, far more than a task's 0.1 us

// With s = rest + e^(x_label - max): lse = max + log s, loss = (max - x_label) + log s. Where the label is
// the maximum s = 1 + rest, and log1p keeps the digits of a small loss. `spread`: what smoothing adds.
void finish(const RowSum& s, bool ignored, double spread, float& loss, float& lse) {
  const double below = static_cast<double>(s.max) - s.label_logit;
  const double log_sum =
      below == 0 ? std::log1p(s.rest) : std::log(s.rest + (ignored ? 0.0 : std::exp(-below)));
  lse = static_cast<float>(s.max + log_sum);
  loss = ignored ? 0.0f : static_cast<float>(below + log_sum + spread);
}

// e (x_label - mean of x), a second look at a row that is in the cache by now.
double spread_of(const CrossEntropy& a, const CrossEntropyTable& f, std::int64_t r, const RowSum& s) {
  if (a.label_smoothing == 0) return 0;
  const double below = f.sum_below(a.logits, r * a.stride, a.V, s.label_logit);
  return static_cast<double>(a.label_smoothing) * below / static_cast<double>(a.V);
}

}  // namespace

void run(const CrossEntropy& a, Isa isa, ThreadPool& pool) {
  const CrossEntropyTable& f = cross_entropy_table_of(isa);
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / a.V);
  pool.run(divide_up(a.rows, step), [&](std::int64_t task, int) {
    for (std::int64_t r = task * step; r < std::min(a.rows, (task + 1) * step); ++r) {
      const bool ignored = a.labels[r] == ignored_label;
      const RowSum s = f.row(a.logits, r * a.stride, a.V, ignored ? -1 : a.labels[r]);
      finish(s, ignored, ignored ? 0 : spread_of(a, f, r, s), a.loss[r], a.lse[r]);
    }
  });
}

// A task is some whole rows, or a part of a long one.
void run(const CrossEntropyGradient& a, Isa isa, ThreadPool& pool) {
  const CrossEntropyTable& f = cross_entropy_table_of(isa);
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / a.V);
  const std::int64_t parts = divide_up(a.V, 2 * task_elements);
  const float everywhere = a.label_smoothing / static_cast<float>(a.V);
  const Target target{.label = 1 - a.label_smoothing + everywhere, .other = everywhere};
  pool.run(divide_up(a.rows, step) * parts, [&](std::int64_t task, int) {
    const std::int64_t first = task % parts * 2 * task_elements;
    const std::int64_t n = std::min(2 * task_elements, a.V - first);
    for (std::int64_t r = task / parts * step; r < std::min(a.rows, (task / parts + 1) * step); ++r) {
      if (a.labels[r] == ignored_label)
        f.zero(a.d_logits, r * a.stride + first, n);
      else
        f.gradient(a.logits, a.d_logits, r * a.stride + first, n, a.labels[r] - first, target, a.lse[r],
                   *a.scale);
    }
  });
}

}  // namespace hone::kernel
