// Activations and their slopes in f64, for the slow references of the ops that apply them.
#pragma once
#include "kernel/element.hpp"

namespace hone::op {
double activate(kernel::Activation kind, double x);
double activation_slope(kernel::Activation kind, double x);
}  // namespace hone::op
