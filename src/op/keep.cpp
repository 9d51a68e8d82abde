#include <algorithm>
#include <cstring>

#include "op/common.hpp"
#include "op/ops.hpp"

// What each micro-batch computes, side by side in a state of the whole step.
namespace hone::op {
namespace {

using In = KeepInputs;

// [B,T,C] is B*T rows of C; [B,T] is B*T rows of one.
std::int64_t width(const TensorType& t) { return t.shape.rank() >= 3 ? t.shape.last() : 1; }
std::int64_t rows(const TensorType& t) { return t.shape.elements() / width(t); }

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require(In::step, step_type());
  const TensorType &x = i.in[In::x], &kept = i.in[In::kept];
  if (x.shape.rank() != kept.shape.rank() || x.shape.rank() < 1 || width(x) != width(kept) ||
      x.dtype != kept.dtype || rows(x) > rows(kept))
    i.fail("what is computed does not fit what is kept", to_string(kept), to_string(x));
  return {{kept, In::kept}};
}

// The row of the step's tensor where this call's rows begin.
std::int64_t first_row(const Call& c) {
  const TensorType& kept = c.in[In::kept].type;
  return step_info(c.in[In::step]).first_sample * (rows(kept) / kept.shape[0]) +
         c.attributes.as<KeepAttributes>().first;
}

void run(const Call& c) {
  const Operand& x = c.in[0];
  const std::int64_t bytes = width(x.type) * size_bytes(x.type.dtype), count = rows(x.type);
  const std::int64_t stride = x.packed() ? bytes : x.row_stride() * size_bytes(x.type.dtype);
  std::byte* to = c.out[0].as<std::byte>() + first_row(c) * bytes;
  constexpr std::int64_t step = 64;  // rows a task
  c.pool->run((count + step - 1) / step, [&](std::int64_t task, int) {
    const std::int64_t from = task * step, n = std::min(step, count - from);
    if (stride == bytes) {
      std::memcpy(to + from * bytes, x.as<std::byte>() + from * bytes, static_cast<std::size_t>(n * bytes));
      return;
    }
    for (std::int64_t r = from; r < from + n; ++r)
      std::memcpy(to + r * bytes, x.as<std::byte>() + r * stride, static_cast<std::size_t>(bytes));
  });
}

void reference(const Call& c) {
  const std::int64_t first = first_row(c) * width(c.in[0].type);
  for (std::int64_t i = 0; i < c.in[0].type.shape.elements(); ++i) set(c.out[0], first + i, get(c.in[0], i));
}

Cost cost(const Program& p, const Node& n) {
  return {.flops = 0, .bytes = 2 * static_cast<double>(p[n.inputs[0]].type.bytes())};
}

bool takes(const Call& c) { return gaps_only_in(c, {0}, {}); }

constexpr InputRecord inputs[] = {{"x"}, {"kept"}, {"step"}};
constexpr std::size_t states[] = {In::kept};
constexpr Variant variants[] = {{"copy", "cpu", takes, nullptr, run}};

}  // namespace

const OpRecord keep{.name = "keep",
                    .inputs = inputs,
                    .infer = infer,
                    .cost = cost,
                    .reference = reference,
                    .variants = variants,
                    .autocast = Autocast::any,
                    .states_like_first = states};

}  // namespace hone::op
