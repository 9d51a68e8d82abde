// Activation functions and their derivatives on vectors: the one definition that matmul epilogues and the
// elementwise kernels share, so that a fused activation has the bits of the unfused one.
//
// Against f64: values within 1.5e-6 of max(|value|, 1e-6), derivatives (which cross zero) within 4e-7. Far
// negative arguments are clamped where the true result is below 1e-35. NaN stays NaN.
#pragma once
#include <type_traits>

#include "kernel/element.hpp"
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

// Not max() and min(): these keep NaN.
HONE_INLINE F at_least(F x, float low) { return x < splat(low) ? splat(low) : x; }
HONE_INLINE F at_most(F x, float high) { return x > splat(high) ? splat(high) : x; }

HONE_INLINE F sigmoid(F x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); }

// sigmoid(z) + x sigmoid(z) sigmoid(-z) dz: the derivative of x sigmoid(z(x)). sigmoid(-z) is e / (1 + e) and
// not 1 - sigmoid(z), which would lose its digits at large z.
HONE_INLINE F gate_gradient(F x, F z, F dz) {
  const F e = exp(-z);
  const F s = splat(1.0f) / (splat(1.0f) + e);
  return fma(x * dz * s, e * s, s);
}

// gelu_new(x) = x/2 (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3): as a sigmoid it loses
// nothing where tanh nears -1.
HONE_INLINE F gelu_new_argument(F x) { return x * fma(x * x, splat(0.0713548163f), splat(1.59576912f)); }
HONE_INLINE F gelu_new_argument_gradient(F x) { return fma(x * x, splat(0.214064449f), splat(1.59576912f)); }

// The normal density times sqrt(2 pi), and the normal distribution Phi(x) = erfc(-x/sqrt 2) / 2.
// erfc(z) = exp(-z^2) t p(t), t = 1 / (1 + 0.4 z), z >= 0; p interpolates at the Chebyshev points of
// z in [0, 9.5], degree 8, relative error 9e-8. Beyond, erfc is below 1e-40.
HONE_INLINE F normal_density(F x) { return exp(splat(-0.5f) * x * x); }
HONE_INLINE F normal_distribution(F x, F density) {
  const F magnitude = x < F{} ? -x : x;
  const F t = splat(1.0f) / fma(magnitude, splat(0.282842712f), splat(1.0f));
  F p = splat(0.0373838343f);
  p = fma(p, t, splat(-0.121834664f));
  p = fma(p, t, splat(0.0465339112f));
  p = fma(p, t, splat(0.1298884f));
  p = fma(p, t, splat(0.0514787241f));
  p = fma(p, t, splat(0.205131156f));
  p = fma(p, t, splat(0.198966053f));
  p = fma(p, t, splat(0.226841088f));
  p = fma(p, t, splat(0.225611533f));
  const F tail = splat(0.5f) * density * t * p;
  return x < F{} ? tail : splat(1.0f) - tail;
}

// Where 1 - exp(-2|x|) would lose its digits, the series: below 0.3 what is left out is under 5e-8 of x.
HONE_INLINE F tanh(F x) {
  const F magnitude = x < F{} ? -x : x;
  const F e = exp(splat(-2.0f) * at_most(magnitude, 40.0f));
  const F far = (splat(1.0f) - e) / (splat(1.0f) + e);
  const F z = x * x;
  F near = fma(z, splat(62.0f / 2835), splat(-17.0f / 315));
  near = fma(near, z, splat(2.0f / 15));
  near = fma(near, z, splat(-1.0f / 3));
  near = fma(near, z * x, x);
  return magnitude < splat(0.3f) ? near : x < F{} ? -far : far;
}

template <Activation kind>
HONE_INLINE F activate(F x) {
  if constexpr (kind == Activation::relu) return x < F{} ? F{} : x;
  if constexpr (kind == Activation::silu) {
    const F c = at_least(x, -88.0f);
    return c * sigmoid(c);
  }
  if constexpr (kind == Activation::gelu_new) {
    const F c = at_least(x, -30.0f);
    return c * sigmoid(gelu_new_argument(c));
  }
  if constexpr (kind == Activation::gelu) {
    const F c = at_least(x, -30.0f);
    return c * normal_distribution(c, normal_density(c));
  }
  return x;
}

// d activate(x) / dx; relu's is 0 at 0.
template <Activation kind>
HONE_INLINE F activation_gradient(F x) {
  const F one = splat(1.0f);
  if constexpr (kind == Activation::relu) return x > F{} ? one : (x == x ? F{} : x);
  if constexpr (kind == Activation::silu) {
    const F c = at_most(at_least(x, -88.0f), 88.0f);
    return gate_gradient(c, c, one);
  }
  if constexpr (kind == Activation::gelu_new) {
    const F c = at_most(at_least(x, -30.0f), 30.0f);
    return gate_gradient(c, gelu_new_argument(c), gelu_new_argument_gradient(c));
  }
  if constexpr (kind == Activation::gelu) {
    const F c = at_most(at_least(x, -30.0f), 30.0f);
    const F density = normal_density(c);
    return fma(c * splat(0.398942280f), density, normal_distribution(c, density));
  }
  return one;
}

// Calls f(std::integral_constant<Activation, kind>), so that the switch stays outside the loop inside f.
template <class Function>
HONE_INLINE void with_activation(Activation kind, const Function& f) {
  switch (kind) {
    case Activation::none:
      return f(std::integral_constant<Activation, Activation::none>{});
    case Activation::relu:
      return f(std::integral_constant<Activation, Activation::relu>{});
    case Activation::gelu_new:
      return f(std::integral_constant<Activation, Activation::gelu_new>{});
    case Activation::gelu:
      return f(std::integral_constant<Activation, Activation::gelu>{});
    case Activation::silu:
      return f(std::integral_constant<Activation, Activation::silu>{});
  }
}

}  // namespace hone::kernel::HONE_ISA
