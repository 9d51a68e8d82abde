#include "kernel/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <new>

#include "op/common.hpp"
#include "op/ops.hpp"

namespace hone::op {
namespace {

using In = GradientNormInputs;
using Part = kernel::GradientNorm::Part;

std::vector<OutputSpec> infer_norm(const InferInput& i) {
  i.require(In::clip, f32({1}));
  if (i.has(In::scaled_by)) i.require(In::scaled_by, f32({1}));
  return {{f32({1})}, {f32({1})}};
}

// The list of gradients is laid out in the scratch, before the kernel's own.
kernel::GradientNorm norm_arguments(const Call& c, Part* parts) {
  for (std::size_t i = In::gradients; i < c.in.size(); ++i)
    new (parts + i - In::gradients) Part{in(c.in[i]), c.in[i].type.shape.elements()};
  return {.parts = {parts, c.in.size() - In::gradients},
          .clip = c.in[In::clip].as<float>(),
          .scaled_by = c.in[In::scaled_by].as<float>(),
          .norm = c.out[0].as<float>(),
          .clip_scale = c.out[1].as<float>()};
}
std::int64_t parts_bytes(const Call& c) {
  return (static_cast<std::int64_t>((c.in.size() - In::gradients) * sizeof(Part)) + 63) / 64 * 64;
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
  for (std::size_t i = In::gradients; i < c.in.size(); ++i)
    for (std::int64_t j = 0; j < c.in[i].type.shape.elements(); ++j) sum += std::pow(get(c.in[i], j), 2);
  const double scale = c.in[In::scaled_by] ? get(c.in[In::scaled_by], 0) : 1;
  const double norm = std::sqrt(sum) / scale, clip = get(c.in[In::clip], 0);
  set(c.out[0], 0, norm);
  set(c.out[1], 0, (clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0) / scale);
}

// --- the norm in two parts ------------------------------------------------------------------------------

std::vector<OutputSpec> infer_squares(const InferInput& i) {
  return {{f32({2, kernel::norm_blocks(i.in[0].shape.elements())})}};
}
void run_squares(const Call& c) {
  kernel::run(kernel::Squares{{in(c.in[0]), c.in[0].type.shape.elements()}, c.out[0].as<float>()}, c.isa,
              *c.pool);
}
void reference_squares(const Call& c) {
  const std::int64_t blocks = c.out[0].type.shape[1], n = c.in[0].type.shape.elements();
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  for (std::int64_t j = 0; j < n; ++j)
    sums[static_cast<std::size_t>(j / kernel::norm_block)] += std::pow(get(c.in[0], j), 2);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const double sum = sums[static_cast<std::size_t>(b)];
    set(c.out[0], b, sum);
    set(c.out[0], blocks + b, sum - static_cast<double>(static_cast<float>(sum)));
  }
}

std::vector<OutputSpec> infer_norm_of_squares(const InferInput&) { return {{f32({1})}}; }
// A few thousand numbers in order: the sum of gradient_norm.
void run_norm_of_squares(const Call& c) {
  double sum = 0;
  for (const Operand& part : c.in) {
    const auto* parts = part.as<float>();
    const std::int64_t blocks = part.type.shape[1];
    for (std::int64_t b = 0; b < blocks; ++b)
      sum += static_cast<double>(parts[b]) + static_cast<double>(parts[blocks + b]);
  }
  set(c.out[0], 0, std::sqrt(sum));
}

constexpr InputRecord squares_inputs[] = {{"gradient"}};
constexpr InputRecord norm_of_squares_inputs[] = {{"squares", InputRecord::Kind::variadic}};
constexpr Variant squares_variants[] = {{"blocks", "cpu", nullptr, nullptr, run_squares}};
constexpr Variant norm_of_squares_variants[] = {{"ordered", "cpu", nullptr, nullptr, run_norm_of_squares}};
constexpr InputRecord norm_inputs[] = {
    {"clip"}, {"scaled_by", InputRecord::Kind::optional}, {"gradients", InputRecord::Kind::variadic}};
constexpr Variant norm_variants[] = {{"blocks", "cpu", nullptr, norm_scratch, run_norm}};

}  // namespace

const OpRecord squares{.name = "squares",
                       .inputs = squares_inputs,
                       .infer = infer_squares,
                       .cost = streaming_cost,
                       .reference = reference_squares,
                       .variants = squares_variants};
const OpRecord norm_of_squares{.name = "norm_of_squares",
                               .inputs = norm_of_squares_inputs,
                               .infer = infer_norm_of_squares,
                               .cost = streaming_cost,
                               .reference = run_norm_of_squares,
                               .variants = norm_of_squares_variants};
const OpRecord gradient_norm{.name = "gradient_norm",
                             .inputs = norm_inputs,
                             .infer = infer_norm,
                             .cost = streaming_cost,
                             .reference = reference_norm,
                             .variants = norm_variants};

}  // namespace hone::op
