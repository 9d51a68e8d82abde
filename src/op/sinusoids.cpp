#include <algorithm>
#include <cmath>

#include "kernel/rotate.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// y = (sin a, cos a), a = position * frequency (Vaswani et al., 2017, "Attention is all you need"): what a
// rotation by -a makes of (0, 1), so its kernel does it, from one row that stands for all.
namespace hone::op {
namespace {

using In = SinusoidsInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank_at_least(In::positions, 1);
  i.require_rank(In::frequencies, 1);
  i.require(In::positions, {i.in[In::positions].shape, DType::i32});
  i.require(In::frequencies, f32(i.in[In::frequencies].shape));
  Shape y = i.in[In::positions].shape;
  y.push_back(2 * i.in[In::frequencies].shape[0]);
  return {{f32(y)}};
}

std::int64_t scratch(const Call& c) { return c.out[0].type.shape.last() * size_bytes(DType::f32); }

void run(const Call& c) {
  const std::int64_t width = c.out[0].type.shape.last();
  auto* row = static_cast<float*>(c.scratch);
  std::fill_n(row, width / 2, 0.0f);
  std::fill_n(row + width / 2, width / 2, 1.0f);
  kernel::run(kernel::Rotate{.rows = c.out[0].type.shape.rows(),
                             .heads = 1,
                             .D = width,
                             .width = width,
                             .positions = c.in[In::positions].as<std::int32_t>(),
                             .frequencies = c.in[In::frequencies].as<float>(),
                             .inverse = true,
                             .x = {row, kernel::Element::f32},
                             .x_stride = 0,
                             .y = out(c.out[0]),
                             .y_stride = width},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const std::int64_t width = c.out[0].type.shape.last();
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i) {
    const std::int64_t d = i % width, half = width / 2;
    const double angle = get(c.in[In::positions], i / width) * get(c.in[In::frequencies], d % half);
    set(c.out[0], i, d < half ? std::sin(angle) : std::cos(angle));
  }
}

constexpr InputRecord inputs[] = {{"positions"}, {"frequencies"}};
constexpr Variant variants[] = {{"rows", "cpu", nullptr, scratch, run}};

}  // namespace

const OpRecord sinusoids{.name = "sinusoids",
                         .inputs = inputs,
                         .infer = infer,
                         .cost = streaming_cost,
                         .reference = reference,
                         .variants = variants};

}  // namespace hone::op
