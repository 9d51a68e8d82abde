#include <algorithm>
#include <cmath>

#include "kernel/code_line.hpp"
#include "kernel/coded.hpp"
#include "op/common.hpp"
#include "op/gradient_context.hpp"
#include "op/ops.hpp"

// A weight as rounding to nearest would leave it, while it trains.
namespace hone::op {
namespace {

constexpr std::size_t w = 0;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank(w, 2);
  i.require(w, f32(i.in[w].shape));
  return {{f32(i.in[w].shape)}};
}

void run(const Call& c) {
  const auto a = c.attributes.as<RoundWeightAttributes>();
  const kernel::Grid grid{.bits = a.bits, .group = a.group, .symmetric = a.symmetric};
  const std::int64_t K = c.out[0].type.shape[1];
  c.pool->run(c.out[0].type.shape[0], [&](std::int64_t r, int) {
    const float* from = c.in[w].as<float>() + r * K;
    float* to = c.out[0].as<float>() + r * K;
    for (std::int64_t k = 0; k < K; k += a.group) {
      const std::span group(from + k, static_cast<std::size_t>(std::min(a.group, K - k)));
      kernel::round_to(whole_range(group, grid), group, grid.levels(), {to + k, group.size()});
    }
  });
}

void reference(const Call& c) {
  const auto a = c.attributes.as<RoundWeightAttributes>();
  const std::int64_t K = c.out[0].type.shape[1];
  const auto last = static_cast<float>((1 << a.bits) - 1), half = static_cast<float>(1 << (a.bits - 1));
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i) {
    const std::int64_t row = i / K * K, first = row + (i - row) / a.group * a.group,
                       end = std::min(first + a.group, row + K);
    const auto value = [&](std::int64_t k) { return static_cast<float>(get(c.in[w], k)); };
    float low = value(first), high = low;
    for (std::int64_t k = first; k < end; ++k) low = std::min(low, value(k)), high = std::max(high, value(k));
    const auto rounded = [&](std::int64_t k, float scale, float minimum) {
      const float code =
          scale == 0 ? 0 : std::nearbyint(std::clamp((value(k) - minimum) / scale, 0.0f, last));
      return scale * code + minimum;
    };
    if (!a.symmetric) {
      set(c.out[0], i, rounded(i, kernel::as_packed((high - low) / last), kernel::as_packed(low)));
      continue;
    }
    // About zero it is the largest magnitude that gets the outermost code, of its own sign; or, in few bits
    // and where less is lost, the outermost that has one of the other sign.
    const float most = -low > high ? low : high, outer = kernel::as_packed(most / -half);
    const float inner = a.bits > 4 ? outer : kernel::as_packed(most / (half - 1));
    const auto lost = [&](float scale) {
      double sum = 0;
      for (std::int64_t k = first; k < end; ++k)
        sum += std::pow(static_cast<double>(value(k)) - rounded(k, scale, -half * scale), 2);
      return sum;
    };
    const float scale = lost(inner) < lost(outer) ? inner : outer;
    set(c.out[0], i, rounded(i, scale, -half * scale));
  }
}

// As simulate's.
void gradient(GradientContext&) {}

constexpr InputRecord inputs[] = {{"w"}};
constexpr Variant variants[] = {{"rows", "cpu", nullptr, nullptr, run}};

}  // namespace

const OpRecord round_weight{.name = "round_weight",
                            .inputs = inputs,
                            .infer = infer,
                            .cost = streaming_cost,
                            .gradient = gradient,
                            .reference = reference,
                            .variants = variants};

}  // namespace hone::op
