#include "compress/joined_units.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "compress/linear_algebra.hpp"

namespace hone {
namespace {

constexpr double damping = 0.01;  // of the mean of the moments' diagonal

double energy(const Joined& m, std::int64_t unit) {
  const std::int64_t first = unit * m.width, last = first + m.width;
  double sum = 0;
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t i = first; i < last; ++i) {
      double row = 0;
      for (std::int64_t j = first; j < last; ++j)
        row += m.moment(i, j) * static_cast<double>(m.weight[static_cast<std::size_t>(r * m.columns + j)]);
      sum += row * static_cast<double>(m.weight[static_cast<std::size_t>(r * m.columns + i)]);
    }
  return sum;
}

}  // namespace

std::vector<double> energies(const Joined& m) {
  std::vector<double> all;
  for (std::int64_t u = 0; u < m.columns / m.width; ++u) all.push_back(energy(m, u));
  return all;
}

std::vector<std::int64_t> largest(const std::vector<double>& values, std::int64_t count) {
  std::vector<std::int64_t> units(values.size());
  std::iota(units.begin(), units.end(), std::int64_t{0});
  std::ranges::stable_sort(units, [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  units.resize(static_cast<std::size_t>(count));
  std::ranges::sort(units);
  return units;
}

std::vector<std::int64_t> largest(const Joined& m, std::int64_t count) { return largest(energies(m), count); }

std::vector<float> made_good(const Joined& m, const std::vector<std::int64_t>& units) {
  std::vector<std::int64_t> columns;
  for (const std::int64_t u : units)
    for (std::int64_t i = 0; i < m.width; ++i) columns.push_back(u * m.width + i);
  const std::size_t n = columns.size();
  double mean = 0;
  for (const std::int64_t c : columns) mean += m.moment(c, c) / static_cast<double>(n);
  std::vector<double> within(n * n), across(n * static_cast<std::size_t>(m.columns));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) within[i * n + j] = m.moment(columns[i], columns[j]);
    within[i * n + i] += damping * mean + 1e-30;
    for (std::int64_t c = 0; c < m.columns; ++c)
      across[i * static_cast<std::size_t>(m.columns) + static_cast<std::size_t>(c)] = m.moment(columns[i], c);
    across[i * static_cast<std::size_t>(m.columns) + static_cast<std::size_t>(columns[i])] += damping * mean;
  }
  const std::vector<double> told =
      solve_positive(within, across, static_cast<std::int64_t>(n));  // [n,columns]
  std::vector<float> all(m.weight.size());
  std::vector<double> row(n);
  for (std::int64_t r = 0; r < m.rows; ++r) {
    const auto from =
        m.weight.subspan(static_cast<std::size_t>(r * m.columns), static_cast<std::size_t>(m.columns));
    for (std::size_t i = 0; i < n; ++i)
      row[i] = std::inner_product(
          from.begin(), from.end(), told.begin() + static_cast<std::ptrdiff_t>(i * from.size()), 0.0,
          std::plus<>(), [](float w, double t) { return static_cast<double>(w) * t; });
    for (std::size_t i = 0; i < n; ++i)
      all[static_cast<std::size_t>(r * m.columns + columns[i])] = static_cast<float>(row[i]);
  }
  return all;
}

}  // namespace hone
