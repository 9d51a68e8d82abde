#include "kernel/rotate.hpp"

#include <cmath>

#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// y = factor (cos a, -sin a; sin a, cos a) x for each pair of elements, a = position * frequency
namespace hone::op {
namespace {

using In = RotateInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank(In::x, 3);
  i.require_rank(In::frequencies, 1);
  const TensorType& x = i.in[In::x];
  i.require(In::positions, {{x.shape[0], x.shape[1]}, DType::i32});
  i.require(In::frequencies, f32({i.in[In::frequencies].shape[0]}));
  const std::int64_t heads = i.attributes.as<RotateAttributes>().heads,
                     width = 2 * i.in[In::frequencies].shape[0];
  if (heads <= 0 || x.shape.last() % heads != 0 || x.shape.last() / heads < width)
    i.fail("heads do not fit what is rotated",
           "heads that divide " + std::to_string(x.shape.last()) + ", of at least " + std::to_string(width),
           std::to_string(heads) + " heads");
  return {{x}};
}

kernel::Rotate arguments(const Call& c) {
  const auto a = c.attributes.as<RotateAttributes>();
  const Operand& x = c.in[In::x];
  return {.rows = x.type.shape.rows(),
          .heads = a.heads,
          .D = x.type.shape.last() / a.heads,
          .width = 2 * c.in[In::frequencies].type.shape[0],
          .positions = c.in[In::positions].as<std::int32_t>(),
          .frequencies = c.in[In::frequencies].as<float>(),
          .inverse = a.inverse,
          .factor = a.factor,
          .x = in(x),
          .x_stride = x.row_stride(),
          .y = out(c.out[0]),
          .y_stride = c.out[0].row_stride()};
}
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool); }

void reference(const Call& c) {
  const kernel::Rotate a = arguments(c);
  const Operand &x = c.in[In::x], &y = c.out[0];
  for (std::int64_t head = 0; head < a.rows * a.heads; ++head)
    for (std::int64_t d = 0; d < a.D; ++d) {
      const std::int64_t at = head * a.D + d, half = a.width / 2;
      if (d >= a.width) set(y, at, get(x, at));
      if (d >= half) continue;
      const double angle = get(c.in[In::positions], head / a.heads) * get(c.in[In::frequencies], d);
      const auto factor = static_cast<double>(a.factor);
      const double cosine = factor * std::cos(angle), sine = (a.inverse ? -factor : factor) * std::sin(angle);
      const double left = get(x, at), right = get(x, at + half);
      set(y, at, left * cosine - right * sine);
      set(y, at + half, right * cosine + left * sine);
    }
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (!dy || !g.wants(In::x)) return;
  auto back = g.attributes<RotateAttributes>();
  back.inverse = !back.inverse;
  g.set(In::x, g.emit(rotate, {dy, g.in(In::positions), g.in(In::frequencies)}, back)[0]);
}

bool takes(const Call& c) { return gaps_only_in(c, {In::x}, {0}); }

constexpr InputRecord inputs[] = {{"x"}, {"positions"}, {"frequencies"}};
constexpr Variant variants[] = {{"rows", "cpu", takes, nullptr, run}};

}  // namespace

const OpRecord rotate{.name = "rotate",
                      .inputs = inputs,
                      .infer = infer,
                      .cost = streaming_cost,
                      .gradient = gradient,
                      .alias = first_input,
                      .reference = reference,
                      .variants = variants,
                      .autocast = Autocast::follow};

}  // namespace hone::op
