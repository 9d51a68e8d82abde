#include <algorithm>

#include "kernel/cross_entropy.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// Whether the label has the largest logit, as greedy decoding would choose it.
namespace hone::op {
namespace {

using In = HitInputs;

constexpr std::int64_t task_elements = 16384;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(In::logits, 2);
  const Shape rows = rows_shape(i.in[In::logits].shape);
  i.require(In::labels, {rows, DType::i32});
  return {{f32(rows)}};
}

float value(float x) { return x; }
float value(bf16 x) { return to_f32(x); }
float value(f16 x) { return to_f32(x); }

// The first of equal maxima is what the model predicts. A NaN beside it is no smaller: no hit.
template <class T>
bool is_hit(const T* row, std::int64_t V, std::int64_t label) {
  const float wanted = value(row[label]);
  bool best = true;
  for (std::int64_t v = 0; v < label; ++v) best &= value(row[v]) < wanted;
  for (std::int64_t v = label + 1; v < V; ++v) best &= value(row[v]) <= wanted;
  return best;
}

template <class T>
void run_over(const Call& c) {
  const Operand& logits = c.in[In::logits];
  const std::int64_t V = logits.type.shape.last(), rows = logits.type.shape.rows();
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / V);
  const auto* labels = c.in[In::labels].as<std::int32_t>();
  c.pool->run((rows + step - 1) / step, [&](std::int64_t task, int) {
    for (std::int64_t r = task * step; r < std::min(rows, (task + 1) * step); ++r) {
      const bool counts = labels[r] != kernel::ignored_label;
      const bool hit = counts && is_hit(logits.as<T>() + r * logits.row_stride(), V, labels[r]);
      c.out[0].as<float>()[r] = hit ? 1.0f : 0.0f;
    }
  });
}

void run(const Call& c) {
  const DType dtype = c.in[In::logits].type.dtype;
  if (dtype == DType::bf16) return run_over<bf16>(c);
  if (dtype == DType::f16) return run_over<f16>(c);
  run_over<float>(c);
}

void reference(const Call& c) {
  const Operand& logits = c.in[In::logits];
  const std::int64_t V = logits.type.shape.last();
  for (std::int64_t r = 0; r < logits.type.shape.rows(); ++r) {
    std::int64_t best = 0;
    for (std::int64_t v = 1; v < V; ++v)
      if (get(logits, r * V + v) > get(logits, r * V + best)) best = v;
    set(c.out[0], r, static_cast<std::int64_t>(get(c.in[In::labels], r)) == best ? 1 : 0);
  }
}

bool takes(const Call& c) { return gaps_only_in(c, {In::logits}, {}); }

constexpr InputRecord inputs[] = {{"logits"}, {"labels"}};
constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};

}  // namespace

const OpRecord hit{.name = "hit",
                   .inputs = inputs,
                   .infer = infer,
                   .cost = streaming_cost,
                   .reference = reference,
                   .variants = variants,
                   .autocast = Autocast::any};

}  // namespace hone::op
