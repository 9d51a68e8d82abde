#include "run/cache_tables.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "op/inputs.hpp"

namespace hone {
namespace {

// The tables as [sequences, columns], and how many positions a block has.
struct Tables {
  std::span<std::int32_t> blocks;
  std::int64_t columns;
  std::int32_t& at(std::int64_t sequence, std::int64_t column) const {
    return blocks[static_cast<std::size_t>(sequence * columns + column)];
  }
};

Tables tables_of(Executor& executor) {
  const TensorDef& t = executor.plan().shared().at(input::cache_table).tensor;
  return {executor.view<std::int32_t>(input::cache_table), t.type.shape.last()};
}

std::int64_t positions_of_a_block(const JobPlan& plan) {
  for (const auto& shared : plan.shared())
    if (shared.second.tensor.purpose == Purpose::cache) return shared.second.tensor.type.shape[1];
  return 1;
}

// The first `positions` of a block, of all keys and values.
void copy_block(Executor& executor, std::int32_t from, std::int32_t to, std::int64_t positions) {
  for (const auto& [name, shared] : executor.plan().shared()) {
    const TensorDef& cache = shared.tensor;
    if (cache.purpose != Purpose::cache) continue;
    const std::int64_t position_bytes = cache.type.shape[2] * size_bytes(cache.type.dtype),
                       block_bytes = cache.type.shape[1] * position_bytes;
    std::byte* data = executor.bytes(name).data();
    std::memcpy(data + to * block_bytes, data + from * block_bytes,
                static_cast<std::size_t>(positions * position_bytes));
  }
}

// The column that is being filled: the first who goes on from a parent takes its block, others copy it into
// one that is left.
void divide_column(Executor& executor, const Tables& tables, std::span<const std::int32_t> parents,
                   std::int64_t column, std::int64_t filled) {
  const auto count = std::ssize(parents);
  std::vector<std::int32_t> was, taken(parents.size(), -1);
  for (std::int64_t i = 0; i < count; ++i) was.push_back(tables.at(i, column));
  std::vector<std::int32_t> left = was;
  for (std::size_t i = 0; i < parents.size(); ++i) {
    const auto found = std::ranges::find(left, was[static_cast<std::size_t>(parents[i])]);
    if (found == left.end()) continue;
    taken[i] = *found;
    left.erase(found);
  }
  for (std::size_t i = 0; i < parents.size(); ++i) {
    if (taken[i] < 0) {
      taken[i] = left.back();
      left.pop_back();
      copy_block(executor, was[static_cast<std::size_t>(parents[i])], taken[i], filled);
    }
    tables.at(static_cast<std::int64_t>(i), column) = taken[i];
  }
}

}  // namespace

void number_blocks(Executor& executor) {
  const Tables tables = tables_of(executor);
  for (std::size_t i = 0; i < tables.blocks.size(); ++i) tables.blocks[i] = static_cast<std::int32_t>(i);
}

void take_over(Executor& executor, std::span<const std::int32_t> parents, std::int64_t position) {
  if (!executor.plan().shared().contains(input::cache_table)) return;  // nothing looks back
  const Tables tables = tables_of(executor);
  const std::int64_t block = positions_of_a_block(executor.plan()), full = position / block;
  for (std::int64_t column = 0; column < full; ++column) {
    std::vector<std::int32_t> shared;
    for (const std::int32_t parent : parents) shared.push_back(tables.at(parent, column));
    for (std::size_t i = 0; i < shared.size(); ++i)
      tables.at(static_cast<std::int64_t>(i), column) = shared[i];
  }
  if (position % block > 0) divide_column(executor, tables, parents, full, position % block);
}

FirstRow::FirstRow(Executor& executor, std::int64_t sequence) : executor_(executor), sequence_(sequence) {
  exchange();
}
FirstRow::~FirstRow() { exchange(); }

void FirstRow::exchange() const {
  if (sequence_ == 0 || !executor_.plan().shared().contains(input::cache_table)) return;
  const Tables tables = tables_of(executor_);
  for (std::int64_t column = 0; column < tables.columns; ++column)
    std::swap(tables.at(0, column), tables.at(sequence_, column));
}

void each_cached(Executor& executor, std::int64_t positions,
                 const std::function<void(const TensorDef&, std::span<std::byte>)>& take) {
  if (!executor.plan().shared().contains(input::cache_table)) return;
  const Tables tables = tables_of(executor);
  for (const auto& [name, shared] : executor.plan().shared()) {
    const TensorDef& cache = shared.tensor;
    if (cache.purpose != Purpose::cache) continue;
    const std::int64_t block = cache.type.shape[1],
                       position_bytes = cache.type.shape[2] * size_bytes(cache.type.dtype);
    for (std::int64_t first = 0; first < positions; first += block) {
      const auto at = static_cast<std::size_t>(tables.at(0, first / block) * block * position_bytes);
      const auto bytes = static_cast<std::size_t>(std::min(block, positions - first) * position_bytes);
      take(cache, executor.bytes(name).subspan(at, bytes));
    }
  }
}

}  // namespace hone
