#include "store/tensor_train.hpp"

#include <algorithm>

#include "ir/values.hpp"
#include "kernel/tensor_train.hpp"
#include "machine/isa.hpp"

namespace hone {
namespace {

constexpr std::int64_t rows_at_once = 4096;  // in f32 a fraction of the table

kernel::TensorTrain kernel_train(const TensorTrain& train) {
  kernel::TensorTrain t{.count = static_cast<int>(train.cores.size())};
  for (std::size_t k = 0; k < train.cores.size(); ++k) {
    const Shape& s = train.cores[k].type.shape;
    t.cores[k] = {.rows = s[0],
                  .left = s[1],
                  .columns = s[2],
                  .right = s[3],
                  .values = {train.cores[k].bytes.data(), element_of(train.dtype)}};
  }
  return t;
}

}  // namespace

StoredWeight stored_tensor_train(std::shared_ptr<const TensorTrain> train) {
  StoredWeight weight{.type = {train->shape, train->dtype}, .mapped = false};
  weight.tensor_train = std::move(train);
  return weight;
}

std::int64_t TensorTrain::bytes() const {
  std::int64_t all = 0;
  for (const StoredWeight& core : cores) all += core.type.bytes();
  return all;
}

const StoredWeight* TensorTrain::find(std::string_view part) const {
  for (std::size_t k = 0; k < cores.size(); ++k)
    if (part == core_name(k)) return &cores[k];
  return nullptr;
}

CoreIndex TensorTrain::index() const {
  CoreIndex index{.dtype = dtype};
  for (const StoredWeight& core : cores) index.cores.push_back(core.type.shape);
  return index;
}

void expand_rows(const TensorTrain& train, std::int64_t first, std::span<float> values) {
  const kernel::CoreRows rows{.train = kernel_train(train),
                              .rows = std::ssize(values) / train.shape[1],
                              .first = first,
                              .rounded = element_of(train.dtype),
                              .y = values.data()};
  ThreadPool pool(1);
  std::vector<std::byte> scratch(static_cast<std::size_t>(kernel::scratch_bytes(rows, 1)));
  kernel::run(rows, best_isa(), pool, scratch.data());
}

void expand_tensor_train(const TensorTrain& train, std::span<std::byte> dense) {
  const std::int64_t V = train.shape[0], C = train.shape[1];
  std::vector<float> rows(static_cast<std::size_t>(std::min(V, rows_at_once) * C));
  for (std::int64_t first = 0; first < V; first += rows_at_once) {
    const auto some = std::span(rows).first(static_cast<std::size_t>(std::min(V - first, rows_at_once) * C));
    expand_rows(train, first, some);
    narrow(some, train.dtype,
           dense.subspan(static_cast<std::size_t>(row_bytes(train.dtype, first * C)),
                         static_cast<std::size_t>(row_bytes(train.dtype, std::ssize(some)))));
  }
}

CoreIndices core_indices(const std::map<std::string, std::shared_ptr<const TensorTrain>>& trains) {
  CoreIndices indices;
  for (const auto& [name, train] : trains) indices[name] = train->index();
  return indices;
}

}  // namespace hone
