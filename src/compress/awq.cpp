#include "compress/awq.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compress/gptq.hpp"

namespace hone {
namespace {

constexpr int powers = 20;  // tried between 0 and 1, as AWQ's own program does

std::vector<float> scales_of_power(const Moments& m, double power) {
  std::vector<float> s(static_cast<std::size_t>(m.width));
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (std::int64_t i = 0; i < m.width; ++i) {
    const double size = std::sqrt(m.at(i, i) / static_cast<double>(m.positions));
    const double at = std::max(std::pow(size, power), 1e-4);
    s[static_cast<std::size_t>(i)] = static_cast<float>(at);
    low = std::min(low, at), high = std::max(high, at);
  }
  const auto middle = static_cast<float>(std::sqrt(low * high));
  for (float& x : s) x /= middle;
  return s;
}

std::vector<float> scaled(std::span<const float> w, std::span<const float> s) {
  std::vector<float> all(w.begin(), w.end());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] *= s[i % s.size()];
  return all;
}

double error_with(const Moments& m, std::span<const std::span<const float>> weights, std::span<const float> s,
                  const Grid& grid, Isa isa, ThreadPool& pool) {
  double sum = 0;
  for (const auto w : weights) {
    const auto rows = static_cast<std::int64_t>(w.size()) / m.width;
    const std::vector<float> wide = scaled(w, s);
    std::vector<float> back = round_to_nearest(wide, rows, m.width, grid, pool).values();
    for (std::size_t i = 0; i < back.size(); ++i) back[i] /= s[i % s.size()];
    sum += output_error(w, back, rows, m, isa, pool) * static_cast<double>(rows);
  }
  return sum;
}

}  // namespace

std::vector<float> channel_scales(const Moments& m, std::span<const std::span<const float>> weights,
                                  const Grid& grid, Isa isa, ThreadPool& pool) {
  std::vector<float> best = scales_of_power(m, 0);  // where no error is a number
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < powers; ++i) {
    const std::vector<float> s = scales_of_power(m, static_cast<double>(i) / powers);
    const double error = error_with(m, weights, s, grid, isa, pool);
    if (error < least) least = error, best = s;
  }
  return best;
}

Moments divided(const Moments& m, std::span<const float> s) {
  Moments other = m;
  for (std::int64_t i = 0; i < m.width; ++i)
    for (std::int64_t j = 0; j < m.width; ++j)
      other.sum[static_cast<std::size_t>(i * m.width + j)] /=
          s[static_cast<std::size_t>(i)] * s[static_cast<std::size_t>(j)];
  for (std::size_t i = 0; i < other.largest.size(); ++i) other.largest[i] /= s[i];
  return other;
}

}  // namespace hone
