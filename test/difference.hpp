// How far two lists of numbers are apart.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>

namespace hone {

// The largest difference, as a share of the largest of b.
inline double difference(std::span<const float> a, std::span<const float> b) {
  double most = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return most / largest;
}

}  // namespace hone
