#include "compress/factors.hpp"

#include <algorithm>
#include <cmath>

#include "compress/linear_algebra.hpp"

namespace hone {
namespace {

constexpr double damping = 1e-4;  // of the moments' mean diagonal, so that they are positive definite

// L of H / positions + damping.
std::vector<double> root_of(const Moments& m) {
  const auto K = static_cast<std::size_t>(m.width);
  std::vector<double> h(K * K);
  double diagonal = 0;
  for (std::size_t i = 0; i < h.size(); ++i)
    h[i] = static_cast<double>(m.sum[i]) / static_cast<double>(std::max<std::int64_t>(1, m.positions));
  for (std::size_t i = 0; i < K; ++i) diagonal += h[i * K + i] / static_cast<double>(K);
  for (double more = std::max(diagonal, 1e-30) * damping;; more *= 10) {
    for (std::size_t i = 0; i < K; ++i) h[i * K + i] += more;
    if (auto root = cholesky(h, m.width)) return *root;
  }
}

// W L, [rows,K].
std::vector<double> times(std::span<const double> w, std::span<const double> l, std::int64_t rows,
                          std::int64_t width) {
  const auto N = static_cast<std::size_t>(rows), K = static_cast<std::size_t>(width);
  std::vector<double> y(N * K);
  for (std::size_t n = 0; n < N; ++n)
    for (std::size_t k = 0; k < K; ++k) {
      const double x = w[n * K + k];
      for (std::size_t j = 0; j <= k; ++j) y[n * K + j] += x * l[k * K + j];
    }
  return y;
}

double squares(std::span<const double> m) {
  double sum = 0;
  for (const double x : m) sum += x * x;
  return sum;
}

}  // namespace

Factors factors_of(std::span<const double> w, std::int64_t rows, std::int64_t columns, const Moments* moments,
                   std::int64_t most) {
  Factors f{.rows = rows, .columns = columns};
  const std::vector<double> l = moments ? root_of(*moments) : std::vector<double>();
  const std::vector<double> m =
      moments ? times(w, l, rows, columns) : std::vector<double>(w.begin(), w.end());
  const Svd d = leading_svd(m, rows, columns, most);
  f.error = squares(m);
  const auto rank = static_cast<std::size_t>(d.rank), N = static_cast<std::size_t>(rows),
             K = static_cast<std::size_t>(columns);
  std::vector<double> right(K * rank);  // [K,rank], times the root of s
  for (std::size_t i = 0; i < rank; ++i) {
    f.gains.push_back(f.error > 0 ? d.s[i] * d.s[i] / f.error : 0);
    const double root = std::sqrt(d.s[i]);
    for (std::size_t k = 0; k < K; ++k) right[k * rank + i] = d.v[k * rank + i] * root;
  }
  if (moments) right = solve_transposed(l, right, columns);
  f.u.reserve(N * rank), f.v.reserve(K * rank);
  for (std::size_t n = 0; n < N; ++n)
    for (std::size_t i = 0; i < rank; ++i)
      f.u.push_back(static_cast<float>(d.u[n * rank + i] * std::sqrt(d.s[i])));
  for (std::size_t i = 0; i < rank; ++i)
    for (std::size_t k = 0; k < K; ++k) f.v.push_back(static_cast<float>(right[k * rank + i]));
  return f;
}

}  // namespace hone
