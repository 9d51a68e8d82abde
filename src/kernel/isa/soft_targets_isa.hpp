// A softened row of logits against a distribution of which some classes are known one by one; see
// kernel/soft_targets.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct KnownClasses {
  const std::int32_t* ids = nullptr;
  std::int64_t count = 0;
};

// Sums of e^(y - max) over y = inverse_temperature * logits, of the known classes and of all others.
struct SoftSums {
  float max;
  double known, others;
};

struct SoftGradient {
  KnownClasses known;
  const float* masses;  // of the known classes
  float mass_unit;      // that they are multiplied by
  std::int64_t label;
  float inverse_temperature, lse, soft_lse;
  float hard, soft, soft_others;  // factors of the three terms
};

struct SoftTargetsTable {
  SoftSums (*sums)(In logits, std::int64_t first, std::int64_t V, KnownClasses known,
                   float inverse_temperature);
  // Logit `at`, times the inverse temperature.
  float (*logit)(In logits, std::int64_t at, float inverse_temperature);
  // d[first + v] for v < V.
  void (*gradient)(In logits, Out d, std::int64_t first, std::int64_t V, const SoftGradient& g);
};

HONE_BUILDS(SoftTargetsTable, soft_targets_table);

}  // namespace hone::kernel
