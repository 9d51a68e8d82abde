#include "train/loss_scaler.hpp"

#include <cmath>

#include "base/number.hpp"

namespace hone {
namespace {

bool power_of_two(float x) {
  int exponent;
  return std::isfinite(x) && x > 0 && std::frexp(x, &exponent) == 0.5f;
}

void require(bool good, const char* member, const char* expected, const std::string& found) {
  if (!good)
    throw Error(ErrorKind::usage, {.what = std::string("impossible loss scaling: its ") + member,
                                   .where = "loss_scale",
                                   .expected = expected,
                                   .found = found});
}

}  // namespace

void check_loss_scaling(const LossScaling& rule) {
  const auto scale = [](float x, bool good, const char* member, const char* expected) {
    require(power_of_two(x) && good, member, expected, to_text(x));
  };
  scale(rule.min, true, "min", "a power of two");
  scale(rule.init, rule.init >= rule.min, "init", "a power of two, not below min");
  scale(rule.growth, rule.growth >= 1, "growth", "a power of two from 1 on");
  scale(rule.backoff, rule.backoff <= 1, "backoff", "a power of two up to 1");
  require(rule.interval > 0, "interval", "1 step or more", std::to_string(rule.interval));
  require(rule.most_skips > 0, "most_skips", "1 step or more", std::to_string(rule.most_skips));
}

void LossScaler::completed() {
  state_.overflows = 0;
  if (++state_.good_steps < rule_.interval) return;
  state_.good_steps = 0;
  if (const float grown = state_.scale * rule_.growth; std::isfinite(grown)) state_.scale = grown;
}

bool LossScaler::overflowed() {
  state_.good_steps = 0;
  ++state_.overflows;
  ++state_.skipped;
  state_.scale *= rule_.backoff;
  return state_.scale >= rule_.min && state_.overflows < rule_.most_skips;
}

}  // namespace hone
