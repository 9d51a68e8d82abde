// AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019): g = clip_scale * gradient;
// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w = w (1 - lr wd) - lr (m / c1) / (sqrt(v / c2) + eps),
// where c = 1 - b^step.
#include <cmath>

#include "kernel/optimizer.hpp"
#include "op/common.hpp"
#include "optimizer/adamw_hyper.hpp"

namespace hone {
namespace {

using namespace op;

struct In {
  enum : std::size_t { weight, gradient, m, v, hyper, clip_scale, low, step };
};

std::vector<OutputSpec> infer(const InferInput& i) {
  adamw::require_weight(i, In::weight, In::step);
  adamw::require_gradient(i, In::weight, In::gradient);
  for (const std::size_t k : {In::m, In::v}) i.require(k, f32(i.in[In::weight].shape));
  i.require(In::hyper, f32({adamw::hyper_floats}));
  i.require(In::clip_scale, f32({1}));
  std::vector<OutputSpec> specs{{i.in[In::weight], In::weight}, {i.in[In::m], In::m}, {i.in[In::v], In::v}};
  if (i.has(In::low)) specs.push_back({i.in[In::low], In::low});
  return specs;
}

void run(const Call& c) {
  kernel::run(kernel::AdamW{.n = c.in[In::weight].type.shape.elements(),
                            .w = out(c.out[0]),
                            .key = adamw::rounding_key(c, In::step),
                            .gradient = in(c.in[In::gradient]),
                            .m = c.out[1].as<float>(),
                            .v = c.out[2].as<float>(),
                            .low = c.in[In::low] ? out(c.out[3]) : kernel::Out{},
                            .step = c.in[In::hyper].as<kernel::AdamWStep>(),
                            .decay = c.attributes.as<UpdateAttributes>().decay,
                            .clip_scale = c.in[In::clip_scale].as<float>()},
              c.isa, *c.pool);
}

void reference(const Call& c) {
  const auto hyper = [&](std::int64_t i) { return get(c.in[In::hyper], i); };
  const double lr = hyper(0), b1 = hyper(1), b2 = hyper(2), eps = hyper(3), c1 = hyper(5), c2 = hyper(6);
  const double decay = c.attributes.as<UpdateAttributes>().decay ? hyper(4) : 0;
  for (std::int64_t i = 0; i < c.in[In::weight].type.shape.elements(); ++i) {
    const double g = get(c.in[In::gradient], i) * get(c.in[In::clip_scale], 0);
    const double m = b1 * get(c.in[In::m], i) + (1 - b1) * g, v = b2 * get(c.in[In::v], i) + (1 - b2) * g * g;
    const double w = get(c.in[In::weight], i) * (1 - lr * decay) - lr * (m / c1) / (std::sqrt(v / c2) + eps);
    set(c.out[1], i, m);
    set(c.out[2], i, v);
    adamw::set_weight(c, In::step, i, static_cast<float>(w));
    if (c.in[In::low]) set(c.out[3], i, w);
  }
}

constexpr InputRecord inputs[] = {{"weight"},
                                  {"gradient"},
                                  {"m"},
                                  {"v"},
                                  {"hyper"},
                                  {"clip_scale"},
                                  {"low", InputRecord::Kind::optional},
                                  {"step", InputRecord::Kind::optional}};
constexpr Variant variants[] = {{"flat", "cpu", nullptr, nullptr, run}};
constexpr OpRecord adamw_update{.name = "adamw",
                                .inputs = inputs,
                                .infer = infer,
                                .cost = streaming_cost,
                                .reference = reference,
                                .variants = variants};

void update(UpdateContext& u) {
  u.emit(adamw_update,
         {u.weight(), u.gradient(), u.state(0), u.state(1), u.hyper(), u.clip_scale(), u.take_low_copy(),
          u.step()},
         u.attributes());
}

constexpr OptimizerState states[] = {{"m"}, {"v"}};
constexpr const OpRecord* ops[] = {&adamw_update};

}  // namespace

const OptimizerRecord adamw_optimizer{.name = "adamw",
                                      .states = states,
                                      .scalars = adamw::scalars,
                                      .hyper_floats = adamw::hyper_floats,
                                      .fill_hyper = adamw::fill_hyper,
                                      .update = update,
                                      .rounds_weights = true,
                                      .reads_bf16_gradients = true,
                                      .ops = ops};

}  // namespace hone
