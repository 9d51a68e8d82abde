#include "kernel/state_error.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/cross_entropy.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/cross_entropy_isa.hpp"
#include "kernel/isa/state_error_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t task_elements = 16384;  // as of cross_entropy.cpp

template <class Row>
void each_row(const States& s, ThreadPool& pool, const Row& row) {
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / s.C);
  pool.run(divide_up(s.rows, step), [&](std::int64_t task, int) {
    for (std::int64_t r = task * step; r < std::min(s.rows, (task + 1) * step); ++r) row(r);
  });
}

StateRow row_of(const States& s, std::int64_t r) {
  return {.x = s.x, .first = r * s.stride, .target = s.target + r * s.C, .C = s.C};
}

float factor(float squares, std::int64_t C) {
  return 1 / std::sqrt(squares / static_cast<float>(C) + state_epsilon);
}

}  // namespace

void run(const StateError& a, Isa isa, ThreadPool& pool) {
  const States& s = a.states;
  const StateErrorTable& f = state_error_table_of(isa);
  each_row(s, pool, [&](std::int64_t r) {
    const StateRow row = row_of(s, r);
    a.x_factor[r] = factor(f.squares(row.x, row.first, s.C), s.C);
    a.target_factor[r] = factor(f.squares({row.target, Element::f32}, 0, s.C), s.C);
    a.loss[r] = s.labels[r] == ignored_label
                    ? 0.0f
                    : f.error(row, a.x_factor[r], a.target_factor[r]) / static_cast<float>(s.C);
  });
}

void run(const StateErrorGradient& a, Isa isa, ThreadPool& pool) {
  const States& s = a.states;
  const StateErrorTable& f = state_error_table_of(isa);
  const float each = *a.scale * (2 / static_cast<float>(s.C));
  each_row(s, pool, [&](std::int64_t r) {
    if (s.labels[r] == ignored_label) return cross_entropy_table_of(isa).zero(a.d, r * a.d_stride, s.C);
    f.gradient(row_of(s, r), a.x_factor[r], a.target_factor[r], each, a.d, r * a.d_stride);
  });
}

}  // namespace hone::kernel
