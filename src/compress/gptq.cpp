#include "compress/gptq.hpp"

#include <algorithm>
#include <numeric>

#include "base/arena.hpp"
#include "compress/column_errors.hpp"
#include "compress/linear_algebra.hpp"
#include "kernel/gemm.hpp"

namespace hone {
namespace {

constexpr std::int64_t task_rows = 16;

class Rounding {
 public:
  Rounding(std::span<const float> w, CodedMatrix& q, const ColumnOrder& order)
      : w_(w), q_(q), order_(order), columns_(q.columns) {
    ordered_.resize(w.size()), errors_.resize(static_cast<std::size_t>(q.rows * error_columns));
    for (std::int64_t r = 0; r < q.rows; ++r)
      for (std::int64_t i = 0; i < columns_; ++i)
        at(r, i) = w[index(r, order.column[static_cast<std::size_t>(i)])];
  }

  void run(Isa isa, ThreadPool& pool) {
    for (std::int64_t first = 0; first < columns_; first += error_columns) {
      const std::int64_t count = std::min(error_columns, columns_ - first), behind = first + count;
      pool.run((q_.rows + task_rows - 1) / task_rows, [&](std::int64_t task, int) {
        for (std::int64_t r = task * task_rows; r < std::min(q_.rows, (task + 1) * task_rows); ++r)
          round_row(r, first, count);
      });
      if (behind < columns_)
        add_errors(&at(0, behind), columns_, errors_.data(), factor(first) + behind, columns_, q_.rows, count,
                   columns_ - behind, isa, pool);
    }
  }

 private:
  std::size_t index(std::int64_t r, std::int64_t c) const {
    return static_cast<std::size_t>(r * columns_ + c);
  }
  float& at(std::int64_t r, std::int64_t i) { return ordered_[index(r, i)]; }
  const float* factor(std::int64_t i) const { return order_.factor.data() + i * columns_; }

  // Columns [first, first + count) of a row, each error taken off those behind it in the block. Kept
  // negative, for the product that takes them off the rest.
  void round_row(std::int64_t r, std::int64_t first, std::int64_t count) {
    float* error = errors_.data() + r * error_columns;
    for (std::int64_t i = first; i < first + count; ++i) {
      const std::int64_t c = order_.column[static_cast<std::size_t>(i)];
      const auto g = static_cast<std::size_t>(r * q_.groups() + c / q_.grid.group);
      const Line line{q_.scales[g], q_.minima[g]};
      const std::uint8_t code = line.code(stays_zero(r, c) ? 0 : at(r, i), q_.grid.levels());
      q_.codes[index(r, c)] = code;
      const float* u = factor(i);
      const float e = (line.value(code) - at(r, i)) / u[i];
      error[i - first] = e;
      for (std::int64_t j = i + 1; j < first + count; ++j) at(r, j) += e * u[j];
    }
  }

  // A pruned weight is zero: where that is a code, the others make good what it does not take on.
  bool stays_zero(std::int64_t r, std::int64_t c) const { return q_.grid.symmetric && w_[index(r, c)] == 0; }

  std::span<const float> w_;
  CodedMatrix& q_;
  const ColumnOrder& order_;
  std::int64_t columns_;
  std::vector<float> ordered_, errors_;
};

// What multiplies nothing but zeros makes no group's range wider.
std::vector<float> seen(std::span<const float> w, std::span<const float> importance) {
  std::vector<float> all(w.begin(), w.end());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (importance[i % importance.size()] == 0) all[i] = 0;
  return all;
}

std::vector<float> diagonal(const Moments& m) {
  std::vector<float> d = m.squares();
  for (float& x : d) x /= static_cast<float>(m.positions);
  return d;
}

}  // namespace

ColumnOrder ordered_columns(const Moments& m, const GptqOptions& o) {
  const auto n = static_cast<std::size_t>(m.width);
  const std::vector<float> d = diagonal(m);
  ColumnOrder order;
  order.column.resize(n);
  std::iota(order.column.begin(), order.column.end(), 0);
  if (o.ordered)
    std::ranges::stable_sort(order.column, [&](std::int64_t a, std::int64_t b) {
      return d[static_cast<std::size_t>(a)] > d[static_cast<std::size_t>(b)];
    });
  const double mean = std::accumulate(d.begin(), d.end(), 0.0) / static_cast<double>(n);
  std::vector<double> h(n * n);
  // A text of few windows leaves H singular; more damping then, until it is not.
  for (double damping = o.damping;; damping *= 10) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        h[i * n + j] = m.at(order.column[i], order.column[j]) / static_cast<double>(m.positions);
      h[i * n + i] = h[i * n + i] > 0 ? h[i * n + i] + damping * mean : 1;
    }
    if (const auto u = inverse_factor(h, m.width)) {
      order.factor.assign(u->begin(), u->end());
      return order;
    }
  }
}

CodedMatrix gptq(std::span<const float> w, std::int64_t rows, const Moments& moments, const Grid& grid,
                 const GptqOptions& options, Isa isa, ThreadPool& pool) {
  const std::vector<float> importance = diagonal(moments);
  CodedMatrix q =
      lines_of(seen(w, importance), rows, moments.width, grid, LineSearch::least_error, pool, importance);
  const ColumnOrder order = ordered_columns(moments, options);
  Rounding(w, q, order).run(isa, pool);
  return q;
}

double output_error(std::span<const float> w, std::span<const float> other, std::int64_t rows,
                    const Moments& m, Isa isa, ThreadPool& pool) {
  std::vector<float> difference(w.size()), product(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) difference[i] = other[i] - w[i];
  const kernel::Gemm gemm{.M = rows,
                          .N = m.width,
                          .K = m.width,
                          .a = {difference.data()},
                          .a_stride = m.width,
                          .b = {m.sum.data()},
                          .b_stride = m.width,
                          .c = {product.data()},
                          .c_stride = m.width};
  const Arena scratch(static_cast<std::size_t>(kernel::scratch_bytes(gemm, isa, pool.threads())) + 1);
  kernel::run(gemm, isa, pool, scratch.data());
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += static_cast<double>(difference[i]) * product[i];
  return sum / static_cast<double>(rows) / static_cast<double>(m.positions);
}

}  // namespace hone
