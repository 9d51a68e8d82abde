#include "compress/table_train.hpp"

#include <algorithm>
#include <cmath>

#include "kernel/divide.hpp"

namespace hone {
namespace {

using kernel::divide_up;

std::int64_t product_from(const CoreSizes& s, std::size_t first, std::size_t end) {
  std::int64_t all = 1;
  for (std::size_t k = first; k < end; ++k) all *= s.size(k);
  return all;
}

// The smallest whole number whose power of `n` is `x` or more.
std::int64_t root_up(std::int64_t x, int n) {
  std::int64_t r = 1;
  while (std::pow(static_cast<double>(r), n) < static_cast<double>(x)) ++r;
  return r;
}

// [v_1 c_1, v_2 c_2, ..] of a table [v_1 v_2 .., c_1 c_2 ..].
std::vector<float> unfolded(std::span<const float> table, std::int64_t V, std::int64_t C,
                            const CoreSizes& s) {
  std::vector<float> values(static_cast<std::size_t>(product_from(s, 0, s.count())));
  std::vector<std::int64_t> column_at(static_cast<std::size_t>(C));  // where a column stands, of row 0
  for (std::int64_t c = 0; c < C; ++c) {
    std::int64_t rest = c, stride = 1;
    for (std::size_t k = s.count(); k-- > 0;) {
      column_at[static_cast<std::size_t>(c)] += rest % s.columns[k] * stride;
      rest /= s.columns[k], stride *= s.size(k);
    }
  }
  for (std::int64_t v = 0; v < V; ++v) {
    std::int64_t rest = v, stride = 1, at = 0;
    for (std::size_t k = s.count(); k-- > 0;) {
      at += rest % s.rows[k] * s.columns[k] * stride;
      rest /= s.rows[k], stride *= s.size(k);
    }
    for (std::int64_t c = 0; c < C; ++c)
      values[static_cast<std::size_t>(at + column_at[static_cast<std::size_t>(c)])] =
          table[static_cast<std::size_t>(v * C + c)];
  }
  return values;
}

Side smaller_side(std::int64_t rows, std::int64_t columns) {
  return rows <= columns ? Side::rows : Side::columns;
}

// M [rows,columns] is about left [rows,rank] times right [rank,columns], which has the singular values.
struct Halves {
  std::vector<float> left, right;
};

// Of the smaller side of M [rows,columns].
Spectrum side_spectrum(std::span<const float> m, std::int64_t rows, std::int64_t columns) {
  return spectrum_of(gram_of(m, rows, columns, smaller_side(rows, columns)), std::min(rows, columns));
}

// `found`: M's side_spectrum.
Halves halves_of(std::span<const float> m, std::int64_t rows, std::int64_t columns, std::int64_t rank,
                 const Spectrum& found) {
  const Side side = smaller_side(rows, columns);
  const std::int64_t n = std::min(rows, columns);
  Halves h;
  std::vector<float> near(static_cast<std::size_t>(n * rank));  // [n,rank]
  std::vector<double> s;
  for (std::int64_t i = 0; i < rank; ++i) {
    const double value = std::max(0.0, found.values[static_cast<std::size_t>(i)]);
    s.push_back(value <= 1e-14 * found.values[0] ? 0 : std::sqrt(value));  // noise
    for (std::int64_t j = 0; j < n; ++j)
      near[static_cast<std::size_t>(j * rank + i)] =
          static_cast<float>(found.vectors[static_cast<std::size_t>(j * n + i)]);
  }
  if (side == Side::rows) {
    h.right = product_of(near, m, rank, rows, columns, true);
    h.left = std::move(near);
    return h;
  }
  h.left = product_of(m, near, rows, columns, rank);
  h.right.resize(static_cast<std::size_t>(rank * columns));
  for (std::int64_t i = 0; i < rank; ++i) {
    const double size = s[static_cast<std::size_t>(i)];
    const auto inverse = static_cast<float>(size > 0 ? 1 / size : 0);
    for (std::int64_t r = 0; r < rows; ++r) h.left[static_cast<std::size_t>(r * rank + i)] *= inverse;
    for (std::int64_t c = 0; c < columns; ++c)
      h.right[static_cast<std::size_t>(i * columns + c)] =
          static_cast<float>(size) * near[static_cast<std::size_t>(c * rank + i)];
  }
  return h;
}

// [left,rows,columns,right] as [rows,left,columns,right], so that a digit's matrix lies in one piece.
TableCore core_of(std::span<const float> values, std::int64_t left, std::int64_t rows, std::int64_t columns,
                  std::int64_t right) {
  TableCore core{{rows, left, columns, right}, std::vector<float>(values.size())};
  const std::int64_t width = columns * right;
  for (std::int64_t l = 0; l < left; ++l)
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy_n(values.begin() + (l * rows + r) * width, width,
                  core.values.begin() + (r * left + l) * width);
  return core;
}

}  // namespace

std::int64_t CoreSizes::numbers(const std::vector<std::int64_t>& ranks) const {
  std::int64_t all = 0;
  for (std::size_t k = 0; k < count(); ++k)
    all += (k == 0 ? 1 : ranks[k - 1]) * size(k) * (k + 1 == count() ? 1 : ranks[k]);
  return all;
}

CoreSizes core_sizes(std::int64_t V, std::int64_t C) {
  const std::int64_t first = root_up(V, 3), second = root_up(divide_up(V, first), 2);
  CoreSizes s{.rows = {first, second, divide_up(V, first * second)}};
  for (std::int64_t a = 1; a * a * a <= C; ++a)
    for (std::int64_t b = a; C % a == 0 && a * b * b <= C; ++b) {
      if (C / a % b != 0) continue;
      const std::int64_t c = C / a / b;
      if (s.columns.empty() || a + b + c < s.columns[0] + s.columns[1] + s.columns[2]) s.columns = {a, c, b};
    }
  return s;
}

CoreSizes low_rank_sizes(std::int64_t V, std::int64_t C) { return {{V, 1}, {1, C}}; }

TableSpectra::TableSpectra(std::span<const float> table, std::int64_t V, std::int64_t C, CoreSizes shape)
    : shape_(std::move(shape)), values_(unfolded(table, V, C, shape_)) {
  for (const float x : values_) squares_ += static_cast<double>(x) * static_cast<double>(x);
  for (std::size_t cut = 0; cut + 1 < shape_.count(); ++cut) {
    const std::int64_t rows = product_from(shape_, 0, cut + 1),
                       columns = product_from(shape_, cut + 1, shape_.count());
    Spectrum found = side_spectrum(values_, rows, columns);
    std::vector<double>& kept = kept_.emplace_back(1, 0.0);
    for (const double value : found.values) kept.push_back(kept.back() + std::max(0.0, value));
    if (cut == 0) first_ = std::move(found);
  }
}

std::vector<std::int64_t> TableSpectra::most_ranks() const {
  std::vector<std::int64_t> most;
  for (std::size_t cut = 1; cut < shape_.count(); ++cut)
    most.push_back(std::min(product_from(shape_, 0, cut), product_from(shape_, cut, shape_.count())));
  return most;
}

double TableSpectra::left_out(std::size_t cut, std::int64_t rank) const {
  return squares_ - kept_[cut][static_cast<std::size_t>(rank)];
}

double TableSpectra::lost(const std::vector<std::int64_t>& ranks) const {
  double sum = 0;
  for (std::size_t cut = 0; cut < ranks.size(); ++cut) sum += left_out(cut, ranks[cut]);
  return squares_ > 0 ? sum / squares_ : 0;
}

std::optional<std::vector<std::int64_t>> TableSpectra::ranks_within(std::int64_t numbers) const {
  const std::vector<std::int64_t> most = most_ranks();
  const auto fits = [&](std::int64_t fixed, std::int64_t by_rank) { return (numbers - fixed) / by_rank; };
  if (shape_.count() == 2) {
    const std::int64_t rank = std::min(most[0], fits(0, shape_.size(0) + shape_.size(1)));
    if (rank < 1) return {};
    return std::vector{rank};
  }
  std::optional<std::vector<std::int64_t>> best;
  double least = 0;
  for (std::int64_t first = 1; first <= most[0]; ++first) {
    const std::int64_t second =
        std::min({most[1], first * shape_.size(1),
                  fits(shape_.size(0) * first, first * shape_.size(1) + shape_.size(2))});
    if (second < 1) continue;
    const double lost = left_out(0, first) + left_out(1, second);
    if (!best || lost < least) best = {first, second}, least = lost;
  }
  return best;
}

std::vector<TableCore> TableSpectra::cores(const std::vector<std::int64_t>& ranks) const {
  std::vector<TableCore> made;
  std::vector<float> rest = values_;
  std::int64_t left = 1;
  for (std::size_t k = 0; k + 1 < shape_.count(); ++k) {
    const std::int64_t rows = left * shape_.size(k), columns = std::ssize(rest) / rows;
    Halves h = halves_of(rest, rows, columns, std::min({ranks[k], rows, columns}),
                         k == 0 ? first_ : side_spectrum(rest, rows, columns));
    const std::int64_t right = std::ssize(h.left) / rows;
    made.push_back(core_of(h.left, left, shape_.rows[k], shape_.columns[k], right));
    rest = std::move(h.right), left = right;
  }
  made.push_back(core_of(rest, left, shape_.rows.back(), shape_.columns.back(), 1));
  return made;
}

}  // namespace hone
