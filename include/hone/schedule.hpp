// Learning rates as functions of the step, counted from 0.
//
//   const hone::Cosine lr{.peak = 1e-3f, .warmup = 100, .steps = 2000, .least = 1e-4f};
//   trainer.step(batch, {.lr = lr(n)});
#pragma once
#include <cstdint>
#include <string>

#include "hone/error.hpp"

namespace hone {

// Warmup rises linearly to `peak` over the first `warmup` steps; a cosine then falls to `least` at `steps`.
struct Cosine {
  float peak = 1e-3f;
  std::int64_t warmup = 0, steps = 1;
  float least = 0;
  HONE_API float operator()(std::int64_t step) const;
};

struct Linear {  // the same with a straight line
  float peak = 1e-3f;
  std::int64_t warmup = 0, steps = 1;
  float least = 0;
  HONE_API float operator()(std::int64_t step) const;
};

struct Constant {
  float peak = 1e-3f;
  std::int64_t warmup = 0;
  HONE_API float operator()(std::int64_t step) const;
};

enum class ScheduleKind { constant, linear, cosine };
HONE_API ScheduleKind schedule_from_name(const std::string& name);

}  // namespace hone
