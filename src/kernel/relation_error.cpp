#include "kernel/relation_error.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/cross_entropy.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/cross_entropy_isa.hpp"
#include "kernel/isa/relation_error_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t task_rows = 8;

// A thread's rows of T numbers: the student's scores, the teacher's, and which rows count.
constexpr std::int64_t rows_each = 3;
std::int64_t row_floats(const Relations& r) { return round_up(r.T, 16); }

struct Head {
  RelationRows own, target;
};
Head head_of(const Relations& r, std::int64_t sample, std::int64_t head) {
  const std::int64_t d = r.W / r.heads, target_d = r.target_W / r.heads;
  return {{.x = r.x, .first = sample * r.T * r.stride + head * d, .stride = r.stride, .d = d},
          {.x = {r.target, Element::f32},
           .first = sample * r.T * r.target_W + head * target_d,
           .stride = r.target_W,
           .d = target_d}};
}

// row(sample, position, the thread's rows) for all rows.
struct Rows {
  float *own, *target, *counts;
};
template <class Row>
void each_row(const Relations& r, ThreadPool& pool, void* scratch, const Row& row) {
  pool.run(divide_up(r.B * r.T, task_rows), [&](std::int64_t task, int worker) {
    float* own = static_cast<float*>(scratch) + worker * rows_each * row_floats(r);
    const Rows rows{own, own + row_floats(r), own + 2 * row_floats(r)};
    for (std::int64_t i = task * task_rows; i < std::min(r.B * r.T, (task + 1) * task_rows); ++i)
      row(i / r.T, i % r.T, rows);
  });
}

}  // namespace

std::int64_t scratch_bytes(const Relations& r, int threads) {
  return threads * rows_each * row_floats(r) * std::int64_t{sizeof(float)};
}

void run(const RelationError& a, Isa isa, ThreadPool& pool, void* scratch) {
  const Relations& r = a.relations;
  const RelationErrorTable& f = relation_error_table_of(isa);
  each_row(r, pool, scratch, [&](std::int64_t sample, std::int64_t t, const Rows& rows) {
    const std::int64_t seen = r.causal ? t + 1 : r.T;
    double sum = 0;
    for (std::int64_t head = 0; head < r.heads; ++head) {
      const Head h = head_of(r, sample, head);
      const std::int64_t at = (sample * r.heads + head) * r.T + t;
      f.scores(h.own, t, seen, rows.own), f.scores(h.target, t, seen, rows.target);
      a.x_lse[at] = f.lse(rows.own, seen), a.target_lse[at] = f.lse(rows.target, seen);
      sum += static_cast<double>(f.divergence(rows.own, rows.target, seen, a.x_lse[at], a.target_lse[at]));
    }
    const std::int64_t at = sample * r.T + t;
    a.loss[at] =
        r.labels[at] == ignored_label ? 0.0f : static_cast<float>(sum / static_cast<double>(r.heads));
  });
}

void run(const RelationErrorGradient& a, Isa isa, ThreadPool& pool, void* scratch) {
  const Relations& r = a.relations;
  const RelationErrorTable& f = relation_error_table_of(isa);
  const std::int64_t d = r.W / r.heads;
  const float scale = *a.scale / static_cast<float>(r.heads) / std::sqrt(static_cast<float>(d));
  each_row(r, pool, scratch, [&](std::int64_t sample, std::int64_t t, const Rows& rows) {
    const std::int32_t* labels = r.labels + sample * r.T;
    for (std::int64_t j = 0; j < r.T; ++j) rows.counts[j] = labels[j] == ignored_label ? 0.0f : 1.0f;
    for (std::int64_t head = 0; head < r.heads; ++head) {
      const Head h = head_of(r, sample, head);
      const std::int64_t at = (sample * r.heads + head) * r.T;
      f.scores(h.own, t, r.T, rows.own), f.scores(h.target, t, r.T, rows.target);
      f.slopes({.t = t,
                .T = r.T,
                .causal = r.causal,
                .counts = rows.counts,
                .x_lse = a.x_lse + at,
                .target_lse = a.target_lse + at},
               rows.own, rows.target);
      f.combine(h.own, r.T, rows.own, scale, a.d, (sample * r.T + t) * a.d_stride + head * d);
    }
  });
}

}  // namespace hone::kernel
