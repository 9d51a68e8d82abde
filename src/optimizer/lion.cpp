// Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023): g = clip_scale * gradient;
// w = w (1 - lr wd) - lr sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g. A rate of a third to a tenth of
// AdamW's, and as much more decay.
#include "optimizer/update_op.hpp"

namespace hone {
namespace {

struct Rule {
  struct Hyper {
    float lr, beta1, beta2, weight_decay;
  };
  template <class T>
  static void apply(const Hyper& h, T g, T& w, T& m) {
    const T mixed = h.beta1 * m + (1 - h.beta1) * g;
    const auto sign = static_cast<T>((mixed > 0) - (mixed < 0));
    w = w * (1 - h.lr * h.weight_decay) - h.lr * sign;
    m = h.beta2 * m + (1 - h.beta2) * g;
  }
};

using Lion = OneMoment<Rule>;
constexpr OpRecord lion = Lion::op_record("lion");
constexpr const OpRecord* ops[] = {&lion};
constexpr OptimizerState states[] = {{"m"}};
constexpr OptimizerScalar scalars[] = {scalar::lr, scalar::beta1(0.9f), scalar::beta2(0.99f),
                                       scalar::weight_decay(0.1f)};

}  // namespace

const OptimizerRecord lion_optimizer{.name = "lion",
                                     .states = states,
                                     .scalars = scalars,
                                     .hyper_floats = Lion::hyper_floats,
                                     .fill_hyper = Lion::fill_hyper,
                                     .update = [](UpdateContext& u) { Lion::update(u, lion); },
                                     .ops = ops};

}  // namespace hone
