#include "compress/linear_algebra.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

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
  const Eigen::VectorXd& s = found.singularValues();
  return {.rows = rows,
          .columns = columns,
          .rank = s.size(),
          .u = values_of(Matrix(found.matrixU())),
          .s = {s.data(), s.data() + s.size()},
          .v = values_of(Matrix(found.matrixV()))};
}

namespace {

// The first columns of a decomposition's factors.
Svd first_parts(Svd d, std::int64_t count) {
  const auto cut = [&](const std::vector<double>& m, std::int64_t rows) {
    return values_of(Matrix(View(m.data(), rows, d.rank).leftCols(count)));
  };
  d.u = cut(d.u, d.rows), d.v = cut(d.v, d.columns);
  d.s.resize(static_cast<std::size_t>(count));
  d.rank = count;
  return d;
}

}  // namespace

Svd leading_svd(std::span<const double> m, std::int64_t rows, std::int64_t columns, std::int64_t count) {
  if (4 * count > std::min(rows, columns)) return first_parts(svd(m, rows, columns), count);
  const View given(m.data(), rows, columns);
  const bool wide = columns > rows;
  const Matrix squared = wide ? Matrix(given * given.transpose()) : Matrix(given.transpose() * given);
  const Eigen::SelfAdjointEigenSolver<Matrix> found(squared);
  const Matrix near = found.eigenvectors().rightCols(count).rowwise().reverse();  // of the smaller side
  Matrix far = wide ? Matrix(given.transpose() * near) : Matrix(given * near);
  Svd d{.rows = rows, .columns = columns, .rank = count};
  for (std::int64_t i = 0; i < count; ++i) {
    const double s = far.col(i).norm();
    const bool noise = s == 0 || (i > 0 && s < 1e-7 * d.s.front());
    d.s.push_back(noise ? 0 : s);
    far.col(i) *= noise ? 0 : 1 / s;
  }
  d.u = values_of(wide ? near : far), d.v = values_of(wide ? far : near);
  return d;
}

std::vector<double> solve_transposed(std::span<const double> l, std::span<const double> b, std::int64_t n) {
  Matrix x = View(b.data(), n, static_cast<Eigen::Index>(b.size()) / n);
  View(l.data(), n, n).transpose().triangularView<Eigen::Upper>().solveInPlace(x);
  return values_of(x);
}

Spectrum spectrum_of(std::span<const double> h, std::int64_t n) {
  const Eigen::SelfAdjointEigenSolver<Matrix> found(View(h.data(), n, n));
  const Eigen::VectorXd values = found.eigenvalues().reverse();
  return {{values.data(), values.data() + n}, values_of(Matrix(found.eigenvectors().rowwise().reverse()))};
}

namespace {

using MatrixF32 = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ViewF32 = Eigen::Map<const MatrixF32>;

}  // namespace

std::vector<double> gram_of(std::span<const float> m, std::int64_t rows, std::int64_t columns, Side side) {
  const ViewF32 all(m.data(), rows, columns);
  const std::int64_t n = side == Side::rows ? rows : columns, along = side == Side::rows ? columns : rows;
  const std::int64_t step = std::max<std::int64_t>(1, (std::int64_t{1} << 20) / n);  // 8 MiB at a time
  Matrix sum = Matrix::Zero(n, n);
  for (std::int64_t at = 0; at < along; at += step) {
    const std::int64_t count = std::min(step, along - at);
    const Matrix part = side == Side::rows ? Matrix(all.middleCols(at, count).cast<double>())
                                           : Matrix(all.middleRows(at, count).transpose().cast<double>());
    sum.selfadjointView<Eigen::Lower>().rankUpdate(part);
  }
  sum.triangularView<Eigen::StrictlyUpper>() = sum.transpose();
  return values_of(sum);
}

std::vector<float> product_of(std::span<const float> a, std::span<const float> b, std::int64_t rows,
                              std::int64_t inner, std::int64_t columns, bool a_turned) {
  std::vector<float> made(static_cast<std::size_t>(rows * columns));
  Eigen::Map<MatrixF32> y(made.data(), rows, columns);
  const ViewF32 right(b.data(), inner, columns);
  if (a_turned)
    y.noalias() = ViewF32(a.data(), inner, rows).transpose() * right;
  else
    y.noalias() = ViewF32(a.data(), rows, inner) * right;
  return made;
}

}  // namespace hone
