#include "kernel/soft_targets.hpp"

#include <algorithm>
#include <cmath>

#include "base/types.hpp"
#include "kernel/cross_entropy.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/cross_entropy_isa.hpp"
#include "kernel/isa/soft_targets_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t task_elements = 16384;  // as of cross_entropy.cpp
constexpr double largest_ratio = 1e30;         // r / Q stays finite in f32; Q is none of a student's by then

template <class Row>
void each_row(std::int64_t rows, std::int64_t V, ThreadPool& pool, const Row& row) {
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / V);
  pool.run(divide_up(rows, step), [&](std::int64_t task, int) {
    for (std::int64_t r = task * step; r < std::min(rows, (task + 1) * step); ++r) row(r);
  });
}

KnownClasses known_of(const SoftTargets& t, std::int64_t r) { return {t.ids + r * t.known, t.known}; }
const float* masses_of(const SoftTargets& t, std::int64_t r) { return t.masses + r * (t.known + 1); }

double sum_of_masses(const SoftTargets& t, std::int64_t r) {
  double sum = 0;
  for (std::int64_t i = 0; i <= t.known; ++i) sum += static_cast<double>(masses_of(t, r)[i]);
  return sum;
}

// p log(p / q), by the logarithm of q.
double term(double p, double log_q) { return p > 0 ? p * (std::log(p) - log_q) : 0; }

}  // namespace

void run(const SoftLoss& a, Isa isa, ThreadPool& pool) {
  const SoftTargets& t = a.targets;
  const SoftTargetsTable& f = soft_targets_table_of(isa);
  const float inverse = 1 / t.temperature;
  const double share = static_cast<double>(t.share), T = static_cast<double>(t.temperature);
  each_row(t.rows, t.V, pool, [&](std::int64_t r) {
    const SoftSums s = f.sums(t.logits, r * t.stride, t.V, known_of(t, r), inverse);
    const double lse = static_cast<double>(s.max) + std::log(s.known + s.others);
    const float* masses = masses_of(t, r);
    const double sum = sum_of_masses(t, r), rest = static_cast<double>(masses[t.known]) / sum;
    double divergence = 0;
    for (std::int64_t i = 0; i < t.known; ++i) {
      const float y = f.logit(t.logits, r * t.stride + t.ids[r * t.known + i], inverse);
      divergence += term(static_cast<double>(masses[i]) / sum, static_cast<double>(y) - lse);
    }
    if (t.known < t.V) divergence += term(rest, std::log(s.others / (s.known + s.others)));
    const double ratio = s.others > 0 ? rest * (s.known + s.others) / s.others : 0;
    a.soft_lse[r] = static_cast<float>(lse);
    a.others[r] = static_cast<float>(std::min(ratio, largest_ratio));
    a.loss[r] =
        t.labels[r] == ignored_label
            ? 0.0f
            : static_cast<float>((1 - share) * static_cast<double>(a.loss[r]) + share * T * T * divergence);
  });
}

void run(const SoftLossGradient& a, Isa isa, ThreadPool& pool) {
  const SoftTargets& t = a.targets;
  const SoftTargetsTable& f = soft_targets_table_of(isa);
  const float hard = *a.scale * (1 - t.share), soft = *a.scale * (t.share * t.temperature);
  each_row(t.rows, t.V, pool, [&](std::int64_t r) {
    if (t.labels[r] == ignored_label) return cross_entropy_table_of(isa).zero(a.d_logits, r * t.stride, t.V);
    f.gradient(t.logits, a.d_logits, r * t.stride, t.V,
               {.known = known_of(t, r),
                .masses = masses_of(t, r),
                .mass_unit = static_cast<float>(1 / sum_of_masses(t, r)),
                .label = t.labels[r],
                .inverse_temperature = 1 / t.temperature,
                .lse = a.lse[r],
                .soft_lse = a.soft_lse[r],
                .hard = hard,
                .soft = soft,
                .soft_others = soft * (1 - a.others[r])});
  });
}

namespace {

float value(float x) { return x; }
float value(bf16 x) { return to_f32(x); }
float value(f16 x) { return to_f32(x); }

// A heap of the likeliest so far, the least likely of them in front; its place is the result's.
template <class T>
void find_likeliest(const T* row, std::int64_t V, std::int64_t known, std::int32_t* ids) {
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    const float x = value(row[a]), y = value(row[b]);
    return x > y || (x == y && a < b);
  };
  for (std::int64_t v = 0; v < known; ++v) ids[v] = static_cast<std::int32_t>(v);
  std::make_heap(ids, ids + known, likelier);
  for (std::int64_t v = known; v < V; ++v) {
    if (!(value(row[v]) > value(row[ids[0]]))) continue;
    std::pop_heap(ids, ids + known, likelier);
    ids[known - 1] = static_cast<std::int32_t>(v);
    std::push_heap(ids, ids + known, likelier);
  }
  std::sort(ids, ids + known);
}

template <class T>
void find_all(const LikeliestClasses& a, ThreadPool& pool) {
  each_row(a.rows, a.V, pool, [&](std::int64_t r) {
    find_likeliest(static_cast<const T*>(a.logits.data) + r * a.stride, a.V, a.known, a.ids + r * a.known);
  });
}

}  // namespace

void run(const LikeliestClasses& a, Isa isa, ThreadPool& pool) {
  if (a.logits.type == Element::bf16)
    find_all<bf16>(a, pool);
  else if (a.logits.type == Element::f16)
    find_all<f16>(a, pool);
  else
    find_all<float>(a, pool);
  const SoftTargetsTable& f = soft_targets_table_of(isa);
  const float inverse = 1 / a.temperature;
  each_row(a.rows, a.V, pool, [&](std::int64_t r) {
    const KnownClasses known{a.ids + r * a.known, a.known};
    const SoftSums s = f.sums(a.logits, r * a.stride, a.V, known, inverse);
    const double all = s.known + s.others;
    float* masses = a.masses + r * (a.known + 1);
    for (std::int64_t i = 0; i < a.known; ++i) {
      const auto y = static_cast<double>(f.logit(a.logits, r * a.stride + known.ids[i], inverse));
      masses[i] = static_cast<float>(std::exp(y - static_cast<double>(s.max)) / all);
    }
    masses[a.known] = static_cast<float>(s.others / all);
  });
}

}  // namespace hone::kernel
