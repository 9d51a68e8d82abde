#include <cmath>

#include "op/norm.hpp"

// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta
namespace hone::op {
namespace {

using Norm = NormOp<true>;
using P = Norm::P;
using G = Norm::G;

void reference(const Call& c) {
  const Operand& x = c.in[P::x];
  const std::int64_t C = x.type.shape.last();
  const auto epsilon = static_cast<double>(c.attributes.as<NormAttributes>().epsilon);
  for (std::int64_t r = 0; r < x.type.shape.rows(); ++r) {
    double mean = 0, variance = 0;
    for (std::int64_t j = 0; j < C; ++j) mean += get(x, r * C + j) / static_cast<double>(C);
    for (std::int64_t j = 0; j < C; ++j)
      variance += std::pow(get(x, r * C + j) - mean, 2) / static_cast<double>(C);
    const double rstd = 1 / std::sqrt(variance + epsilon);
    set(c.out[P::mean], r, mean);
    set(c.out[P::rstd], r, rstd);
    for (std::int64_t j = 0; j < C; ++j)
      set(c.out[P::y], r * C + j,
          (get(x, r * C + j) - mean) * rstd * get(c.in[P::gamma], j) + get(c.in[P::beta], j));
  }
}

void gradient(GradientContext& g) { Norm::gradient(g, layer_norm_gradient); }

// d = dy gamma, h = (x - mean) rstd: dx = rstd (d - mean(d) - h mean(d h))
void reference_gradient(const Call& c) {
  const Operand& x = c.in[G::x];
  const std::int64_t C = x.type.shape.last(), rows = x.type.shape.rows();
  const auto normal = [&](std::int64_t r, std::int64_t j) {
    return (get(x, r * C + j) - get(c.in[G::mean], r)) * get(c.in[G::rstd], r);
  };
  Norm::reference_sums(c, normal);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto d = [&](std::int64_t j) { return get(c.in[G::dy], r * C + j) * get(c.in[G::gamma], j); };
    double sum = 0, dot = 0;
    for (std::int64_t j = 0; j < C; ++j) {
      sum += d(j) / static_cast<double>(C);
      dot += d(j) * normal(r, j) / static_cast<double>(C);
    }
    for (std::int64_t j = 0; j < C; ++j) {
      const double own = (d(j) - sum - normal(r, j) * dot) * get(c.in[G::rstd], r);
      set(c.out[0], r * C + j, (c.in[G::addend] ? get(c.in[G::addend], r * C + j) : 0) + own);
    }
  }
}

constexpr InputRecord inputs[] = {{"x"}, {.name = "gamma", .trains = true}, {.name = "beta", .trains = true}};
constexpr InputRecord gradient_inputs[] = {{.name = "dy", .widens = true},
                                           {"x"},
                                           {"gamma"},
                                           {"mean"},
                                           {"rstd"},
                                           {"gamma_sum", InputRecord::Kind::optional},
                                           {"beta_sum", InputRecord::Kind::optional},
                                           {"step", InputRecord::Kind::optional},
                                           {"addend", InputRecord::Kind::optional}};

}  // namespace

const OpRecord layer_norm = Norm::record("layer_norm", inputs, gradient, reference);
const OpRecord layer_norm_gradient =
    Norm::gradient_record("layer_norm_gradient", gradient_inputs, reference_gradient);

}  // namespace hone::op
