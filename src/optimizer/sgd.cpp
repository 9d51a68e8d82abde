// Stochastic gradient descent with momentum, as torch.optim.SGD has it: g = clip_scale * gradient + wd w;
// m = momentum m + g; w = w - lr m. Without momentum m is the gradient.
#include "optimizer/update_op.hpp"

namespace hone {
namespace {

struct Hyper {
  float lr, momentum, weight_decay;
};
constexpr int hyper_floats = sizeof(Hyper) / sizeof(float);

const auto rule = [](const Hyper& h, auto g, auto& w, auto& m) {
  g += h.weight_decay * w;
  m = h.momentum * m + g;
  w -= h.lr * m;
};

const Hyper& hyper(const Call& c) { return *c.in[OneMomentInputs::hyper].as<Hyper>(); }
void run(const Call& c) { run_one_moment(c, hyper(c), rule); }
void reference(const Call& c) { reference_one_moment(c, hyper(c), rule); }

constexpr Variant variants[] = {{"flat", "cpu", nullptr, nullptr, run}};
constexpr OpRecord sgd{.name = "sgd",
                       .inputs = one_moment_inputs,
                       .infer = infer_one_moment<hyper_floats>,
                       .cost = op::streaming_cost,
                       .reference = reference,
                       .variants = variants};

void update(UpdateContext& u) {
  u.emit(sgd, {u.weight(), u.gradient(), u.state(0), u.hyper(), u.clip_scale()}, UpdateAttributes{u.decay()});
}

constexpr OptimizerState states[] = {{"momentum"}};
constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::momentum(0.9f), scalar::weight_decay(0)};
constexpr const OpRecord* ops[] = {&sgd};

}  // namespace

const OptimizerRecord sgd_optimizer{.name = "sgd",
                                    .states = states,
                                    .scalars = scalars,
                                    .hyper_floats = hyper_floats,
                                    .fill_hyper = fill_with_scalars,
                                    .update = update,
                                    .ops = ops};

}  // namespace hone
