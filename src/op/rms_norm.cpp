#include <cmath>

#include "op/norm.hpp"

// y = x / sqrt(mean of x^2 + epsilon) * (offset + gamma) (Zhang & Sennrich, 2019; Gemma's weights begin at
// zero and have offset 1)
namespace hone::op {
namespace {

using Norm = NormOp<false>;
using P = Norm::P;
using G = Norm::G;

void reference(const Call& c) {
  const Operand& x = c.in[P::x];
  const std::int64_t C = x.type.shape.last();
  const auto a = c.attributes.as<NormAttributes>();
  const auto epsilon = static_cast<double>(a.epsilon), offset = static_cast<double>(a.offset);
  for (std::int64_t r = 0; r < x.type.shape.rows(); ++r) {
    double square = 0;
    for (std::int64_t j = 0; j < C; ++j) square += std::pow(get(x, r * C + j), 2) / static_cast<double>(C);
    const double rstd = 1 / std::sqrt(square + epsilon);
    set(c.out[P::rstd], r, rstd);
    for (std::int64_t j = 0; j < C; ++j)
      set(c.out[P::y], r * C + j, get(x, r * C + j) * rstd * (offset + get(c.in[P::gamma], j)));
  }
}

void gradient(GradientContext& g) { Norm::gradient(g, rms_norm_gradient); }

// d = dy (offset + gamma), h = x rstd: dx = rstd (d - h mean(d h))
void reference_gradient(const Call& c) {
  const Operand& x = c.in[G::x];
  const std::int64_t C = x.type.shape.last(), rows = x.type.shape.rows();
  const auto normal = [&](std::int64_t r, std::int64_t j) {
    return get(x, r * C + j) * get(c.in[G::rstd], r);
  };
  Norm::reference_sums(c, normal);
  const auto offset = static_cast<double>(c.attributes.as<NormGradientAttributes>().offset);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto d = [&](std::int64_t j) {
      return get(c.in[G::dy], r * C + j) * (offset + get(c.in[G::gamma], j));
    };
    double dot = 0;
    for (std::int64_t j = 0; j < C; ++j) dot += d(j) * normal(r, j) / static_cast<double>(C);
    for (std::int64_t j = 0; j < C; ++j) {
      const double own = (d(j) - normal(r, j) * dot) * get(c.in[G::rstd], r);
      set(c.out[0], r * C + j, (c.in[G::addend] ? get(c.in[G::addend], r * C + j) : 0) + own);
    }
  }
}

constexpr InputRecord inputs[] = {{"x"}, {.name = "gamma", .trains = true}};
constexpr InputRecord gradient_inputs[] = {{.name = "dy", .widens = true},
                                           {"x"},
                                           {"gamma"},
                                           {"rstd"},
                                           {"gamma_sum", InputRecord::Kind::optional},
                                           {"step", InputRecord::Kind::optional},
                                           {"addend", InputRecord::Kind::optional}};

}  // namespace

const OpRecord rms_norm = Norm::record("rms_norm", inputs, gradient, reference);
const OpRecord rms_norm_gradient =
    Norm::gradient_record("rms_norm_gradient", gradient_inputs, reference_gradient);

}  // namespace hone::op
