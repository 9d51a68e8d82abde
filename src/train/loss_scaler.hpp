// The scale of a run's losses from step to step, by the rule of hone::LossScaling.
//
// Powers of two, so that scaling rounds nothing: a gradient divided by the scale is, bit for bit, what it
// would have been without, unless f16 overflowed or lost it below 2^-24.
#pragma once
#include "hone/train.hpp"

namespace hone {

// Error(usage) that names the member at fault.
void check_loss_scaling(const LossScaling& rule);

class LossScaler {
 public:
  // What a checkpoint keeps.
  struct State {
    float scale = 1;
    std::int64_t good_steps = 0;  // in a row, since the scale changed
    std::int64_t overflows = 0;   // in a row
    std::int64_t skipped = 0;     // steps, since the run began
    bool operator==(const State&) const = default;
  };

  LossScaler() : LossScaler({.init = 1, .growth = 1, .backoff = 1}) {}  // none
  explicit LossScaler(const LossScaling& rule) : rule_(rule), state_{.scale = rule.init} {}

  const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

  void completed();  // a step was
  // A step overflowed and is skipped. False where the run is to be given up.
  bool overflowed();

 private:
  LossScaling rule_;
  State state_;
};

}  // namespace hone
