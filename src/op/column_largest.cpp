#include <algorithm>
#include <cmath>

#include "op/common.hpp"
#include "op/ops.hpp"

// How large each column of what passes by becomes: the range of a channel over a sample of text.
namespace hone::op {
namespace {

using In = ColumnLargestInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(In::x, 1);
  i.require(In::x, f32(i.in[In::x].shape));
  i.require(In::largest, f32({i.in[In::x].shape.last()}));
  i.require(In::step, step_type());
  return {{i.in[In::largest], In::largest}};
}

bool takes(const Call& c) { return gaps_only_in(c, {In::x}, {}); }

// What is not finite comes out as NaN or infinite, as it would of a sum.
float larger(float most, float x) {
  const float size = std::abs(x);
  return size > most || std::isnan(size) ? size : most;
}

void run(const Call& c) {
  constexpr std::int64_t step = 64;  // columns of a task: whole lines of the cache, and one vectorised loop
  const Operand& x = c.in[In::x];
  const std::int64_t K = x.type.shape.last(), rows = x.type.shape.rows();
  const bool first = step_info(c.in[In::step]).micro == 0;
  c.pool->run((K + step - 1) / step, [&](std::int64_t task, int) {
    const std::int64_t from = task * step, to = std::min(K, from + step);
    auto* most = c.out[0].as<float>();
    if (first) std::fill(most + from, most + to, 0.0f);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = x.as<float>() + r * x.row_stride();
      for (std::int64_t k = from; k < to; ++k) most[k] = larger(most[k], row[k]);
    }
  });
}

void reference(const Call& c) {
  const std::int64_t K = c.in[In::x].type.shape.last();
  for (std::int64_t k = 0; k < K; ++k) {
    double most = step_info(c.in[In::step]).micro == 0 ? 0 : get(c.in[In::largest], k);
    for (std::int64_t r = 0; r < c.in[In::x].type.shape.rows(); ++r)
      most = std::max(most, std::abs(get(c.in[In::x], r * K + k)));
    set(c.out[0], k, most);
  }
}

constexpr InputRecord inputs[] = {{"x"}, {"largest"}, {"step"}};
constexpr Variant variants[] = {{"columns", "cpu", takes, nullptr, run}};

}  // namespace

const OpRecord column_largest{.name = "column_largest",
                              .inputs = inputs,
                              .infer = infer,
                              .cost = streaming_cost,
                              .reference = reference,
                              .variants = variants};

}  // namespace hone::op
