#include <algorithm>
#include <cmath>

#include "kernel/code_line.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// A weight as its codes will be, while it trains.
namespace hone::op {
namespace {

using In = SimulateInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<SimulateAttributes>();
  i.require_rank(In::w, 2);
  const Shape& w = i.in[In::w].shape;
  i.require(In::w, f32(w));
  const Shape groups{w[0], (w[1] + a.group - 1) / a.group};
  i.require(In::scales, f32(groups));
  i.require(In::minima, f32(groups));
  return {{f32(w)}};
}

void run(const Call& c) {
  const auto a = c.attributes.as<SimulateAttributes>();
  const Shape& shape = c.out[0].type.shape;
  const std::int64_t K = shape[1], groups = c.in[In::scales].type.shape[1];
  c.pool->run(shape[0], [&](std::int64_t r, int) {
    const float* w = c.in[In::w].as<float>() + r * K;
    const float* scales = c.in[In::scales].as<float>() + r * groups;
    const float* minima = c.in[In::minima].as<float>() + r * groups;
    float* y = c.out[0].as<float>() + r * K;
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::int64_t first = g * a.group;
      const auto count = static_cast<std::size_t>(std::min(a.group, K - first));
      kernel::round_to({scales[g], minima[g]}, {w + first, count}, a.levels, {y + first, count});
    }
  });
}

void reference(const Call& c) {
  const auto a = c.attributes.as<SimulateAttributes>();
  const Shape& shape = c.out[0].type.shape;
  const std::int64_t groups = c.in[In::scales].type.shape[1];
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    const std::int64_t g = i / shape[1] * groups + i % shape[1] / a.group;
    const auto scale = static_cast<float>(get(c.in[In::scales], g)),
               minimum = static_cast<float>(get(c.in[In::minima], g)),
               w = static_cast<float>(get(c.in[In::w], i));
    const float code =
        scale == 0
            ? 0
            : std::nearbyint(std::clamp((w - minimum) / scale, 0.0f, static_cast<float>(a.levels - 1)));
    set(c.out[0], i, scale * code + minimum);
  }
}

// Stands in phase prepare, which no gradient goes through: who reads what it made has the weight's sum.
void gradient(GradientContext&) {}

constexpr InputRecord inputs[] = {{"w"}, {"scales"}, {"minima"}};
constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};

}  // namespace

const OpRecord simulate{.name = "simulate",
                        .inputs = inputs,
                        .infer = infer,
                        .cost = streaming_cost,
                        .gradient = gradient,
                        .reference = reference,
                        .variants = variants};

}  // namespace hone::op
