// Cross-entropy of one row, and the gradient of part of a row; see kernel/cross_entropy.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// The sum of e^(logits - max) is held as two parts: the label's own term and the rest.
struct RowSum {
  float max;
  float label_logit;
  double rest;  // sum of e^(logit - max) over all v but the label
};

// What the softmax of a row should be.
struct Target {
  float label = 1, other = 0;
};

struct CrossEntropyTable {
  // label is -1 for none (label_logit is then -infinity).
  RowSum (*row)(In logits, std::int64_t first, std::int64_t V, std::int64_t label);
  // The sum of from - logits.
  double (*sum_below)(In logits, std::int64_t first, std::int64_t V, float from);
  // d[first + i] = scale * (e^(logits[first + i] - lse) - target) for i < n; label outside [0, n) is none.
  void (*gradient)(In logits, Out d, std::int64_t first, std::int64_t n, std::int64_t label, Target target,
                   float lse, float scale);
  void (*zero)(Out d, std::int64_t first, std::int64_t n);
};

HONE_BUILDS(CrossEntropyTable, cross_entropy_table);

}  // namespace hone::kernel
