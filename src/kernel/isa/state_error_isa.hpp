// A row of states against a teacher's; see kernel/state_error.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct StateRow {
  In x;
  std::int64_t first;   // x's element where the row begins
  const float* target;  // of the row
  std::int64_t C;
};

struct StateErrorTable {
  float (*squares)(In x, std::int64_t first, std::int64_t C);
  float (*error)(const StateRow& row, float x_factor, float target_factor);  // the sum of (a - b)^2
  void (*gradient)(const StateRow& row, float x_factor, float target_factor, float scale, Out d,
                   std::int64_t first);
};

HONE_BUILDS(StateErrorTable, state_error_table);

}  // namespace hone::kernel
