#include "kernel/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <new>

#include "op/common.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using Part = kernel::GradientNorm::Part;

std::vector<OutputSpec> infer_norm(const InferInput& i) {
  i.require(0, f32({1}));
  return {{f32({1})}, {f32({1})}};
}

// The list of gradients is laid out in the scratch, before the kernel's own.
kernel::GradientNorm norm_arguments(const Call& c, Part* parts) {
  for (std::size_t i = 1; i < c.in.size(); ++i)
    new (parts + i - 1) Part{c.in[i].as<float>(), c.in[i].type.shape.elements()};
  return {.parts = {parts, c.in.size() - 1},
          .clip = c.in[0].as<float>(),
          .norm = c.out[0].as<float>(),
          .clip_scale = c.out[1].as<float>()};
}
std::int64_t parts_bytes(const Call& c) {
  return (static_cast<std::int64_t>((c.in.size() - 1) * sizeof(Part)) + 63) / 64 * 64;
}
std::int64_t norm_scratch(const Call& c) {
  std::vector<Part> parts(c.in.size());
  return parts_bytes(c) + kernel::scratch_bytes(norm_arguments(c, parts.data()));
}
void run_norm(const Call& c) {
  const auto args = norm_arguments(c, static_cast<Part*>(c.scratch));
  kernel::run(args, c.isa, *c.pool, static_cast<std::byte*>(c.scratch) + parts_bytes(c));
}

void reference_norm(const Call& c) {
  double sum = 0;
  for (std::size_t i = 1; i < c.in.size(); ++i)
    for (std::int64_t j = 0; j < c.in[i].type.shape.elements(); ++j) sum += std::pow(get(c.in[i], j), 2);
  const double norm = std::sqrt(sum), clip = get(c.in[0], 0);
  set(c.out[0], 0, norm);
  set(c.out[1], 0, clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0);
}

std::vector<OutputSpec> infer_adamw(const InferInput& i) {
  for (std::size_t k = 1; k < 4; ++k) i.require(k, i.in[0]);
  i.require(4, f32({7}));
  i.require(5, f32({1}));
  std::vector<OutputSpec> specs{{i.in[0], 0}, {i.in[2], 2}, {i.in[3], 3}};
  if (i.attributes.as<AdamWAttributes>().low) specs.push_back({i.in[6], 6});
  return specs;
}

void run_adamw(const Call& c) {
  const auto a = c.attributes.as<AdamWAttributes>();
  kernel::run(kernel::AdamW{.n = c.in[0].type.shape.elements(),
                            .w = c.out[0].as<float>(),
                            .gradient = c.in[1].as<float>(),
                            .m = c.out[1].as<float>(),
                            .v = c.out[2].as<float>(),
                            .low = a.low ? c.out[3].as<std::uint16_t>() : nullptr,
                            .step = c.in[4].as<kernel::AdamWStep>(),
                            .decay = a.decay,
                            .clip_scale = c.in[5].as<float>()},
              c.isa, *c.pool);
}

void reference_adamw(const Call& c) {
  const auto a = c.attributes.as<AdamWAttributes>();
  auto hyper = [&](std::int64_t i) { return get(c.in[4], i); };
  const double lr = hyper(0), b1 = hyper(1), b2 = hyper(2), eps = hyper(3), c1 = hyper(5), c2 = hyper(6);
  const double decay = a.decay ? hyper(4) : 0;
  for (std::int64_t i = 0; i < c.in[0].type.shape.elements(); ++i) {
    const double g = get(c.in[1], i) * get(c.in[5], 0);
    const double m = b1 * get(c.in[2], i) + (1 - b1) * g, v = b2 * get(c.in[3], i) + (1 - b2) * g * g;
    const double w = get(c.in[0], i) * (1 - lr * decay) - lr * (m / c1) / (std::sqrt(v / c2) + eps);
    set(c.out[1], i, m);
    set(c.out[2], i, v);
    set(c.out[0], i, w);
    if (a.low) set(c.out[3], i, w);
  }
}

constexpr Variant norm_variants[] = {{"blocks", "cpu", nullptr, norm_scratch, run_norm}};
constexpr Variant adamw_variants[] = {{"flat", "cpu", nullptr, nullptr, run_adamw}};

}  // namespace

const OpRecord gradient_norm{.name = "gradient_norm",
                             .infer = infer_norm,
                             .cost = streaming_cost,
                             .reference = reference_norm,
                             .variants = norm_variants};
const OpRecord adamw{.name = "adamw",
                     .infer = infer_adamw,
                     .cost = streaming_cost,
                     .reference = reference_adamw,
                     .variants = adamw_variants};

}  // namespace hone::op
