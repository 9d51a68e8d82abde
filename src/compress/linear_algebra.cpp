#include "compress/linear_algebra.hpp"

#include <Eigen/Cholesky>
#include <Eigen/SVD>

#include "hone/error.hpp"

namespace hone {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<const Matrix>;

std::vector<double> values_of(const Matrix& m) { return {m.data(), m.data() + m.size()}; }

}  // namespace

std::optional<std::vector<double>> inverse_factor(std::span<const double> h, std::int64_t n) {
  const View given(h.data(), n, n);
  const Matrix turned = given.reverse();
  const Eigen::LLT<Matrix> factor(turned);
  if (factor.info() != Eigen::Success) return {};
  Matrix inverse = Matrix::Identity(n, n);
  factor.matrixL().solveInPlace(inverse);
  const Matrix upper = inverse.reverse();
  return values_of(upper);
}

std::optional<std::vector<double>> cholesky(std::span<const double> h, std::int64_t n) {
  const Eigen::LLT<Matrix> factor(View(h.data(), n, n));
  if (factor.info() != Eigen::Success) return {};
  const Matrix lower = factor.matrixL();
  return values_of(lower);
}

std::vector<double> solve_positive(std::span<const double> h, std::span<const double> b, std::int64_t n) {
  const Eigen::LLT<Matrix> factor(View(h.data(), n, n));
  if (factor.info() != Eigen::Success)
    throw Error(ErrorKind::input, {.what = "the moments of a product's input have no inverse"});
  return values_of(Matrix(factor.solve(View(b.data(), n, static_cast<Eigen::Index>(b.size()) / n))));
}

Svd svd(std::span<const double> m, std::int64_t rows, std::int64_t columns) {
  const Eigen::BDCSVD<Matrix> found(View(m.data(), rows, columns), Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd s = found.singularValues();
  return {.rows = rows,
          .columns = columns,
          .rank = s.size(),
          .u = values_of(Matrix(found.matrixU())),
          .s = {s.data(), s.data() + s.size()},
          .v = values_of(Matrix(found.matrixV()))};
}

std::vector<double> solve_transposed(std::span<const double> l, std::span<const double> b, std::int64_t n) {
  Matrix x = View(b.data(), n, static_cast<Eigen::Index>(b.size()) / n);
  View(l.data(), n, n).transpose().triangularView<Eigen::Upper>().solveInPlace(x);
  return values_of(x);
}

}  // namespace hone
