#include "kernel/tensor_train.hpp"

#include <algorithm>

#include "base/types.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/tensor_train_isa.hpp"

namespace hone::kernel {
namespace {

// Elements of the product of the first `count` cores' matrices.
std::int64_t product_elements(const TensorTrain& t, int count) {
  std::int64_t columns = 1;
  for (int k = 0; k < count; ++k) columns *= t.cores[static_cast<std::size_t>(k)].columns;
  return columns * t.cores[static_cast<std::size_t>(count - 1)].right;
}

// What all products but the last one, the row, take.
std::int64_t products_floats(const TensorTrain& t) {
  std::int64_t floats = 0;
  for (int k = 1; k < t.count; ++k) floats += product_elements(t, k);
  return floats;
}

void round(float* row, std::int64_t C, Element type) {
  if (type == Element::bf16)
    std::transform(row, row + C, row, [](float x) { return to_f32(to_bf16(x)); });
  else if (type == Element::f16)
    std::transform(row, row + C, row, [](float x) { return to_f32(to_f16(x)); });
}

// The rows of one worker, one after the other.
class Chain {
 public:
  Chain(const TensorTrain& train, const TensorTrainTable& f, float* products) : t_(train), f_(f) {
    for (int k = 1; k < t_.count; ++k) {
      products_[static_cast<std::size_t>(k - 1)] = products;
      products += product_elements(t_, k);
    }
  }

  void row(std::int64_t id, float* y) {
    std::array<std::int64_t, most_cores> digits{};
    for (int k = t_.count - 1; k >= 0; --k) {
      const std::int64_t rows = t_.cores[static_cast<std::size_t>(k)].rows;
      digits[static_cast<std::size_t>(k)] = id % rows;
      id /= rows;
    }
    int same = 0;
    while (known_ && same < t_.count - 1 &&
           digits[static_cast<std::size_t>(same)] == digits_[static_cast<std::size_t>(same)])
      ++same;
    for (int k = same; k < t_.count; ++k) multiply(k, digits[static_cast<std::size_t>(k)], y);
    digits_ = digits, known_ = true;
  }

 private:
  void multiply(int k, std::int64_t digit, float* y) {
    constexpr float one = 1;
    const Core& core = t_.cores[static_cast<std::size_t>(k)];
    const std::int64_t N = core.columns * core.right;
    const In slice{
        static_cast<const char*>(core.values.data) + digit * core.left * N * bytes(core.values.type),
        core.values.type};
    const float* before = k == 0 ? &one : products_[static_cast<std::size_t>(k - 1)];
    const std::int64_t M = k == 0 ? 1 : product_elements(t_, k) / core.left;
    f_.multiply(before, slice, k + 1 == t_.count ? y : products_[static_cast<std::size_t>(k)], M, core.left,
                N);
  }

  const TensorTrain& t_;
  const TensorTrainTable& f_;
  std::array<float*, most_cores> products_{};
  std::array<std::int64_t, most_cores> digits_{};
  bool known_ = false;
};

}  // namespace

std::int64_t TensorTrain::columns() const { return product_elements(*this, count); }

double row_flops(const TensorTrain& t) {
  double flops = 0;
  for (int k = 1; k < t.count; ++k)
    flops += 2.0 * static_cast<double>(product_elements(t, k) * t.cores[static_cast<std::size_t>(k)].columns *
                                       t.cores[static_cast<std::size_t>(k)].right);
  return flops;
}

std::int64_t scratch_bytes(const CoreRows& a, int threads) {
  return threads * products_floats(a.train) * static_cast<std::int64_t>(sizeof(float));
}

void run(const CoreRows& a, Isa isa, ThreadPool& pool, void* scratch) {
  const TensorTrainTable& f = tensor_train_table_of(isa);
  const std::int64_t C = a.train.columns(), floats = products_floats(a.train);
  const std::int64_t step = divide_up(a.rows, 4 * pool.threads());
  pool.run(divide_up(a.rows, step), [&](std::int64_t task, int worker) {
    Chain chain(a.train, f, static_cast<float*>(scratch) + worker * floats);
    for (std::int64_t r = task * step; r < std::min(a.rows, (task + 1) * step); ++r) {
      chain.row(a.ids ? a.ids[r] : a.first + r, a.y + r * C);
      round(a.y + r * C, C, a.rounded);
    }
  });
}

}  // namespace hone::kernel
