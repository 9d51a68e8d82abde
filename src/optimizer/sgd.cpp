// Stochastic gradient descent with momentum, as torch.optim.SGD has it: g = clip_scale * gradient + wd w;
// m = momentum m + g; w = w - lr m. Without momentum m is the gradient.
#include "optimizer/update_op.hpp"

namespace hone {
namespace {

struct Rule {
  struct Hyper {
    float lr, momentum, weight_decay;
  };
  template <class T>
  static void apply(const Hyper& h, T g, T& w, T& m) {
    g += h.weight_decay * w;
    m = h.momentum * m + g;
    w -= h.lr * m;
  }
};

using Sgd = OneMoment<Rule>;
constexpr OpRecord sgd = Sgd::op_record("sgd");
constexpr const OpRecord* ops[] = {&sgd};
constexpr OptimizerState states[] = {{"momentum"}};
constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::momentum(0.9f), scalar::weight_decay(0)};

}  // namespace

const OptimizerRecord sgd_optimizer{.name = "sgd",
                                    .states = states,
                                    .scalars = scalars,
                                    .hyper_floats = Sgd::hyper_floats,
                                    .fill_hyper = Sgd::fill_hyper,
                                    .update = [](UpdateContext& u) { Sgd::update(u, sgd); },
                                    .ops = ops};

}  // namespace hone
