#include "compress/sparsegpt.hpp"

#include <algorithm>
#include <vector>

#include "compress/column_errors.hpp"
#include "compress/gptq.hpp"

namespace hone {
namespace {

constexpr std::int64_t task_rows = 16;

class Pruning {
 public:
  Pruning(std::span<float> w, std::int64_t rows, const std::vector<float>& factor, const Sparsity& wanted)
      : w_(w),
        rows_(rows),
        columns_(static_cast<std::int64_t>(w.size()) / rows),
        factor_(factor),
        wanted_(wanted) {
    errors_.resize(static_cast<std::size_t>(rows * error_columns));
  }

  void run(Isa isa, ThreadPool& pool) {
    for (std::int64_t first = 0; first < columns_; first += error_columns) {
      const std::int64_t count = std::min(error_columns, columns_ - first), behind = first + count;
      if (wanted_.pattern.of == 0) choose(first, count);
      pool.run((rows_ + task_rows - 1) / task_rows, [&](std::int64_t task, int) {
        for (std::int64_t r = task * task_rows; r < std::min(rows_, (task + 1) * task_rows); ++r)
          prune_row(r, first, count);
      });
      if (behind < columns_)
        add_errors(&at(0, behind), columns_, errors_.data(), factor(first) + behind, columns_, rows_, count,
                   columns_ - behind, isa, pool);
    }
  }

 private:
  float& at(std::int64_t r, std::int64_t c) { return w_[static_cast<std::size_t>(r * columns_ + c)]; }
  const float* factor(std::int64_t i) const { return factor_.data() + i * columns_; }

  // The squared error of the row's results that is left when column c goes and the rest makes it good.
  float score(std::int64_t r, std::int64_t c) {
    const float error = at(r, c) / factor(c)[c];
    return error * error;
  }

  // Which of the next columns go, all rows compared together.
  void choose(std::int64_t first, std::int64_t count) {
    std::vector<float> scores(static_cast<std::size_t>(rows_ * count));
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t i = 0; i < count; ++i)
        scores[static_cast<std::size_t>(r * count + i)] = score(r, first + i);
    mask_ = kept(scores, rows_, count, wanted_.pattern, wanted_.share);
  }

  void prune_row(std::int64_t r, std::int64_t first, std::int64_t count) {
    float* const error = errors_.data() + r * error_columns;
    std::vector<float> scores;
    std::vector<std::uint8_t> own(static_cast<std::size_t>(count), 1);
    if (wanted_.pattern.of == 0) std::copy_n(mask_.begin() + r * count, count, own.begin());
    for (std::int64_t i = 0; i < count; ++i) {
      if (wanted_.pattern.of > 0 && i % wanted_.pattern.of == 0) choose_half(r, first, i, own, scores);
      const std::int64_t c = first + i;
      const float* const u = factor(c);
      error[i] = own[static_cast<std::size_t>(i)] ? 0 : -at(r, c) / u[c];
      if (own[static_cast<std::size_t>(i)]) continue;
      at(r, c) = 0;
      for (std::int64_t j = c + 1; j < first + count; ++j) at(r, j) += error[i] * u[j];
    }
  }

  // Of the group that begins at column first + i, with the errors so far made good.
  void choose_half(std::int64_t r, std::int64_t first, std::int64_t i, std::vector<std::uint8_t>& own,
                   std::vector<float>& scores) {
    const std::int64_t width = std::min(wanted_.pattern.of, std::ssize(own) - i);
    scores.clear();
    for (std::int64_t j = 0; j < width; ++j) scores.push_back(score(r, first + i + j));
    drop_half(scores, std::span(own).subspan(static_cast<std::size_t>(i)));
  }

  std::span<float> w_;
  std::int64_t rows_, columns_;
  const std::vector<float>& factor_;
  const Sparsity& wanted_;
  std::vector<float> errors_;
  std::vector<std::uint8_t> mask_;  // of the columns that are pruned now, [rows,count]
};

}  // namespace

void sparsegpt(std::span<float> w, std::int64_t rows, const Moments& moments, const Sparsity& wanted, Isa isa,
               ThreadPool& pool) {
  const ColumnOrder order = ordered_columns(moments, {.ordered = false});
  Pruning(w, rows, order.factor, wanted).run(isa, pool);
}

}  // namespace hone
