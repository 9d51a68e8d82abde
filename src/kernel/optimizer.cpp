#include "kernel/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/divide.hpp"
#include "kernel/isa/optimizer_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t adamw_block = 16384;

std::int64_t blocks(const GradientNorm& a) {
  std::int64_t n = 0;
  for (const GradientNorm::Part& part : a.parts) n += norm_blocks(part.n);
  return n;
}

}  // namespace

// A sum for each block, and for each part the number of its first block.
std::int64_t scratch_bytes(const GradientNorm& a) {
  return 8 * (blocks(a) + static_cast<std::int64_t>(a.parts.size()));
}

void run(const GradientNorm& a, Isa isa, ThreadPool& pool, void* scratch) {
  const OptimizerTable& f = optimizer_table_of(isa);
  const std::int64_t total = blocks(a);
  auto* sums = static_cast<double*>(scratch);
  auto* first_block = reinterpret_cast<std::int64_t*>(sums + total);
  std::int64_t next = 0;
  for (std::size_t i = 0; i < a.parts.size(); ++i) {
    first_block[i] = next;
    next += norm_blocks(a.parts[i].n);
  }
  pool.run(total, [&](std::int64_t block, int) {
    // The last part that starts at or before this block (empty parts share their number with the next).
    const auto i = std::upper_bound(first_block, first_block + a.parts.size(), block) - first_block - 1;
    const GradientNorm::Part& part = a.parts[static_cast<std::size_t>(i)];
    const std::int64_t first = (block - first_block[i]) * norm_block;
    sums[block] = f.sum_of_squares(part_of(part.data, first), std::min(norm_block, part.n - first));
  });
  double squares = 0;
  for (std::int64_t block = 0; block < total; ++block) squares += sums[block];
  const double scaled_by = a.scaled_by ? static_cast<double>(*a.scaled_by) : 1;
  const double norm = std::sqrt(squares) / scaled_by;
  *a.norm = static_cast<float>(norm);
  const double scale = *a.clip > 0 ? *a.clip / (norm + 1e-6) : 1;
  *a.clip_scale = static_cast<float>((scale > 1 ? 1 : scale) / scaled_by);  // NaN stays NaN
}

Out part_of(const Out& all, std::int64_t first) {
  return {all.data ? static_cast<char*>(all.data) + first * bytes(all.type) : nullptr, all.type};
}

In part_of(const In& all, std::int64_t first) {
  return {static_cast<const char*>(all.data) + first * bytes(all.type), all.type};
}

AdamWCoefficients coefficients(const AdamWStep& s, bool decay, const float* clip_scale) {
  return {.clip_scale = clip_scale ? *clip_scale : 1,
          .beta1 = s.beta1,
          .beta2 = s.beta2,
          .one_minus_beta1 = 1 - s.beta1,
          .one_minus_beta2 = 1 - s.beta2,
          .kept_share = decay ? 1 - s.lr * s.weight_decay : 1,
          .lr = s.lr,
          .correction1 = s.correction1,
          .correction2 = s.correction2,
          .epsilon = s.epsilon};
}

void run(const Squares& a, Isa isa, ThreadPool& pool) {
  const OptimizerTable& f = optimizer_table_of(isa);
  const std::int64_t blocks = norm_blocks(a.part.n);
  pool.run(blocks, [&](std::int64_t block, int) {
    const std::int64_t first = block * norm_block;
    const double sum = f.sum_of_squares(part_of(a.part.data, first), std::min(norm_block, a.part.n - first));
    a.sums[block] = static_cast<float>(sum);
    a.sums[blocks + block] = static_cast<float>(sum - static_cast<double>(a.sums[block]));
  });
}

void run(const AdamW& a, Isa isa, ThreadPool& pool) {
  const OptimizerTable& f = optimizer_table_of(isa);
  const AdamWCoefficients c = coefficients(*a.step, a.decay, a.clip_scale);
  pool.run(divide_up(a.n, adamw_block), [&](std::int64_t block, int) {
    const std::int64_t at = block * adamw_block;
    f.adamw(c, {part_of(a.w, at), a.key, at}, part_of(a.gradient, at), a.m + at, a.v + at, part_of(a.low, at),
            std::min(adamw_block, a.n - at));
  });
}

}  // namespace hone::kernel
