#include "op/common.hpp"
#include "op/ops.hpp"

// A gradient's sum becomes zero where its weight is: what was pruned stays so while the rest is trained.
namespace hone::op {
namespace {

using In = KeepZerosInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  if (i.in[In::sum].shape != i.in[In::weight].shape)
    i.fail("the shapes of a weight and its gradient differ", to_string(i.in[In::weight].shape),
           to_string(i.in[In::sum].shape));
  return {{i.in[In::sum], In::sum}};
}

template <class Sum, class Weight>
void clear(const Call& c) {
  constexpr std::int64_t step = 16384;
  const auto* w = c.in[In::weight].as<Weight>();
  auto* sum = c.out[0].as<Sum>();
  const std::int64_t n = c.out[0].type.shape.elements();
  c.pool->run((n + step - 1) / step, [=](std::int64_t task, int) {
    for (std::int64_t i = task * step; i < std::min(n, (task + 1) * step); ++i)
      sum[i] = static_cast<Weight>(w[i] << 1) == 0 ? Sum{0} : sum[i];  // both zeros: bits but for the sign
  });
}

void run(const Call& c) {
  const bool wide = c.in[In::weight].type.dtype == DType::f32;
  if (c.out[0].type.dtype == DType::f32)
    return wide ? clear<std::uint32_t, std::uint32_t>(c) : clear<std::uint32_t, std::uint16_t>(c);
  return wide ? clear<std::uint16_t, std::uint32_t>(c) : clear<std::uint16_t, std::uint16_t>(c);
}

void reference(const Call& c) {
  for (std::int64_t i = 0; i < c.out[0].type.shape.elements(); ++i)
    set(c.out[0], i, get(c.in[In::weight], i) == 0 ? 0 : get(c.in[In::sum], i));
}

constexpr InputRecord inputs[] = {{"sum"}, {"weight"}};
constexpr Variant variants[] = {{"flat", "cpu", nullptr, nullptr, run}};

}  // namespace

const OpRecord keep_zeros{.name = "keep_zeros",
                          .inputs = inputs,
                          .infer = infer,
                          .cost = streaming_cost,
                          .reference = reference,
                          .variants = variants,
                          .bf16_sums = true};

}  // namespace hone::op
