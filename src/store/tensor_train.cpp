#include "store/tensor_train.hpp"

#include <algorithm>

#include "ir/values.hpp"
#include "kernel/tensor_train.hpp"
#include "machine/isa.hpp"

namespace hone {
namespace {

constexpr std::int64_t rows_at_once = 4096;  // in f32 a fraction of the table

kernel::TensorTrain kernel_train(const WeightTree& train) {
  kernel::TensorTrain t{.count = static_cast<int>(train.parts.size())};
  for (std::size_t k = 0; k < train.parts.size(); ++k) {
    const StoredWeight& core = train.parts[k].weight;
    const Shape& s = core.type.shape;
    t.cores[k] = {.rows = s[0],
                  .left = s[1],
                  .columns = s[2],
                  .right = s[3],
                  .values = {core.bytes.data(), element_of(core.type.dtype)}};
  }
  return t;
}

}  // namespace

std::shared_ptr<const WeightTree> tensor_train(const Shape& shape, DType dtype,
                                               std::vector<StoredWeight> cores) {
  auto made = std::make_shared<WeightTree>(WeightTree{.type = tensor_train_of(dtype), .shape = shape});
  for (std::size_t k = 0; k < cores.size(); ++k) made->parts.push_back({core_name(k), std::move(cores[k])});
  return made;
}

void expand_rows(const WeightTree& train, std::int64_t first, std::span<float> values) {
  const kernel::CoreRows rows{.train = kernel_train(train),
                              .rows = std::ssize(values) / train.shape[1],
                              .first = first,
                              .rounded = element_of(train.type.dtype),
                              .y = values.data()};
  ThreadPool pool(1);
  std::vector<std::byte> scratch(static_cast<std::size_t>(kernel::scratch_bytes(rows, 1)));
  kernel::run(rows, best_isa(), pool, scratch.data());
}

void expand_tensor_train(const WeightTree& train, std::span<std::byte> dense) {
  const std::int64_t V = train.shape[0], C = train.shape[1];
  std::vector<float> rows(static_cast<std::size_t>(std::min(V, rows_at_once) * C));
  for (std::int64_t first = 0; first < V; first += rows_at_once) {
    const auto some = std::span(rows).first(static_cast<std::size_t>(std::min(V - first, rows_at_once) * C));
    expand_rows(train, first, some);
    narrow(some, train.type.dtype,
           dense.subspan(static_cast<std::size_t>(row_bytes(train.type.dtype, first * C)),
                         static_cast<std::size_t>(row_bytes(train.type.dtype, std::ssize(some)))));
  }
}

CoreIndex core_index(const WeightTree& train) {
  CoreIndex index{.dtype = train.type.dtype};
  for (const TreePart& core : train.parts) index.cores.push_back(core.weight.type.shape);
  return index;
}

CoreIndices core_indices(const WeightTrees& trees) {
  CoreIndices indices;
  for (const auto& [name, tree] : trees)
    if (tree->type.tensor_train) indices[name] = core_index(*tree);
  return indices;
}

}  // namespace hone
