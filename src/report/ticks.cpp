#include "report/ticks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/text.hpp"

namespace hone {
namespace {

struct Step {
  double size;
  int decimals;
};

Step nice_step(double least, bool whole) {
  if (whole) least = std::max(least, 1.0);
  const double power = std::floor(std::log10(least));
  const double unit = std::pow(10.0, power);
  for (const double m : {1.0, 2.0, 2.5, 5.0, 10.0}) {
    const bool half = m == 2.5;
    if (half && whole && power < 1) continue;
    // The slack keeps 0.30000000000000004 / 3 at 0.1.
    if (m * unit < least * (1 - 1e-9)) continue;
    const int decimals = -static_cast<int>(power) + (half ? 1 : 0) - (m == 10.0 ? 1 : 0);
    return {m * unit, std::max(0, decimals)};
  }
  return {10 * unit, 0};
}

std::string tick_label(double v, int decimals) {
  if (v == 0) return "0";
  if (std::abs(v) >= 1e6 && std::abs(v) < 1e12) return fmt::format("{:.6g} M", v / 1e6);
  if (std::abs(v) >= 1e12 || decimals > 5) return fmt::format("{:.6g}", v);
  return decimals == 0 ? with_commas(v) : fmt::format("{:.{}f}", v, decimals);
}

}  // namespace

Range widened(double low, double high) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low > std::max(1e-9 * size, 1e-150)) return {low, high};
  const double room = size > 1e-149 ? 0.1 * size : 1;
  return {low - room, high + room};
}

std::vector<Tick> linear_ticks(Range range, int count, bool whole) {
  const Step step = nice_step((range.high - range.low) / std::max(1, count), whole);
  const double slack = 1e-9 * (range.high - range.low);
  std::vector<Tick> ticks;
  for (double i = std::ceil((range.low - slack) / step.size); i * step.size <= range.high + slack; ++i) {
    const double at = i == 0 ? 0 : i * step.size;
    ticks.push_back({at, tick_label(at, step.decimals)});
  }
  return ticks;
}

std::vector<Tick> log_ticks(Range range, int count) {
  const double low = std::log10(range.low), high = std::log10(range.high);
  if (high - low < 1) return linear_ticks(range, count, false);
  const int every = std::max(1, static_cast<int>(std::ceil((high - low) / std::max(1, count))));
  const bool between = high - low < 3;
  std::vector<Tick> ticks;
  for (double p = std::floor(low); p <= high; p += every) {
    for (const double m : {1.0, 2.0, 5.0}) {
      const double at = m * std::pow(10.0, p);
      if ((m > 1 && !between) || at < range.low * (1 - 1e-9) || at > range.high * (1 + 1e-9)) continue;
      ticks.push_back({at, fmt::format("{:.6g}", at)});
    }
  }
  return ticks;
}

}  // namespace hone
