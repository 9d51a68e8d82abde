#include <cmath>

#include "base/number.hpp"
#include "base/random.hpp"
#include "kernel/elementwise.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require(1, step_type());
  const float p = i.attributes.as<DropoutAttributes>().p;
  if (!(p >= 0 && p < 1)) i.fail("impossible dropout", "0 <= p < 1", to_text(p));
  return {{i.in[0]}};
}

std::int64_t first_row(const Call& c) {
  return step_info(c.in[1]).first_sample * rows_of(c.in[0].type.shape).positions;
}

void run(const Call& c) {
  const auto a = c.attributes.as<DropoutAttributes>();
  kernel::run(kernel::DropoutRows{.rows = c.in[0].type.shape.rows(),
                                  .columns = c.in[0].type.shape.last(),
                                  .x = in(c.in[0]),
                                  .y = out(c.out[0]),
                                  .p = a.p,
                                  .key = random_key(a.stream, step_info(c.in[1])),
                                  .first_row = first_row(c)},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const auto a = c.attributes.as<DropoutAttributes>();
  const std::uint64_t key = random_key(a.stream, step_info(c.in[1]));
  const auto threshold = static_cast<std::uint32_t>(std::lround(a.p * 65536));
  const std::int64_t base = first_row(c) * c.in[0].type.shape.last();
  for (std::int64_t i = 0; i < c.in[0].type.shape.elements(); ++i) {
    const auto index = static_cast<std::uint64_t>(base + i);
    const std::uint32_t word = philox(key, index / 8, 0)[(index % 8) / 2];
    const std::uint32_t draw = index % 2 ? word >> 16 : word & 0xffffu;
    set(c.out[0], i, draw >= threshold ? get(c.in[0], i) * static_cast<double>(1 / (1 - a.p)) : 0);
  }
}

void gradient(GradientContext& g) {
  const TensorId dy = g.gradient(0);
  if (dy && g.wants(0)) g.set(0, g.emit(dropout, {dy, g.step()}, g.attributes<DropoutAttributes>())[0]);
}

constexpr InputRecord inputs[] = {{"x"}, {"step"}};
constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};

}  // namespace

const OpRecord dropout{.name = "dropout",
                       .inputs = inputs,
                       .infer = infer,
                       .cost = streaming_cost,
                       .gradient = gradient,
                       .alias = first_input,
                       .reference = reference,
                       .variants = variants,
                       .autocast = Autocast::follow};

}  // namespace hone::op
