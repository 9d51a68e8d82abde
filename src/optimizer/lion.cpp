// Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023): g = clip_scale * gradient;
// w = w (1 - lr wd) - lr sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g. A rate of a third to a tenth of
// AdamW's, and as much more decay.
#include "optimizer/update_op.hpp"

namespace hone {
namespace {

struct Hyper {
  float lr, beta1, beta2, weight_decay;
};
constexpr int hyper_floats = sizeof(Hyper) / sizeof(float);

template <class T>
T sign(T x) {
  return static_cast<T>((x > 0) - (x < 0));
}

const auto rule = [](const Hyper& h, auto g, auto& w, auto& m) {
  const auto direction = sign(h.beta1 * m + (1 - h.beta1) * g);
  w = w * (1 - h.lr * h.weight_decay) - h.lr * direction;
  m = h.beta2 * m + (1 - h.beta2) * g;
};

const Hyper& hyper(const Call& c) { return *c.in[OneMomentInputs::hyper].as<Hyper>(); }
void run(const Call& c) { run_one_moment(c, hyper(c), rule); }
void reference(const Call& c) { reference_one_moment(c, hyper(c), rule); }

constexpr Variant variants[] = {{"flat", "cpu", nullptr, nullptr, run}};
constexpr OpRecord lion{.name = "lion",
                        .inputs = one_moment_inputs,
                        .infer = infer_one_moment<hyper_floats>,
                        .cost = op::streaming_cost,
                        .reference = reference,
                        .variants = variants};

void update(UpdateContext& u) {
  u.emit(lion, {u.weight(), u.gradient(), u.state(0), u.hyper(), u.clip_scale()},
         UpdateAttributes{u.decay()});
}

constexpr OptimizerState states[] = {{"m"}};
constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::beta1(0.9f), scalar::beta2(0.99f),
                                       scalar::weight_decay(0.1f)};
constexpr const OpRecord* ops[] = {&lion};

}  // namespace

const OptimizerRecord lion_optimizer{.name = "lion",
                                     .states = states,
                                     .scalars = scalars,
                                     .hyper_floats = hyper_floats,
                                     .fill_hyper = fill_with_scalars,
                                     .update = update,
                                     .ops = ops};

}  // namespace hone
