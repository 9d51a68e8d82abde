// Rows of states against those of a teacher, by direction: with a = x / rms(x) and b = target / rms(target)
// the loss of a row is mean((a - b)^2), which is 2 (1 - cos(x, target)): twice the cosine distance of
// DistilBERT (Sanh et al., arXiv 1910.01108). How large states are differs from layer to layer and from model
// to model, and the norms behind them take it out. rms(x)^2 = mean(x^2) + epsilon.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

inline constexpr float state_epsilon = 1e-6f;

struct States {
  std::int64_t rows = 0, C = 0;
  In x;
  std::int64_t stride = 0;               // of x's rows
  const float* target = nullptr;         // [rows,C]
  const std::int32_t* labels = nullptr;  // [rows]; a row whose label is ignored has no loss
};
struct StateError {
  States states;
  float *loss = nullptr, *x_factor = nullptr, *target_factor = nullptr;  // [rows]; the factors are 1 / rms
};
// dx = scale * (2 / C) / rms(x) * ((a - b) - a mean((a - b) a))
struct StateErrorGradient {
  States states;
  const float *x_factor = nullptr, *target_factor = nullptr;
  const float* scale = nullptr;  // one value
  Out d;                         // x's type; may be x
  std::int64_t d_stride = 0;
};

void run(const StateError&, Isa, ThreadPool&);
void run(const StateErrorGradient&, Isa, ThreadPool&);

}  // namespace hone::kernel
