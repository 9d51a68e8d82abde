// Who owns which block of a cache: the table of each sequence. Beams that go on from one parent share what it
// has read, block by block, and copy only the block that is being filled.
#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "exec/job.hpp"

namespace hone {

// Each sequence gets blocks of its own, in order.
void number_blocks(Executor& executor);

// Sequence i goes on from what parents[i] has read, `position` tokens of each. Blocks stay in their column,
// so those of sequences that nobody goes on from are enough for the copies.
void take_over(Executor& executor, std::span<const std::int32_t> parents, std::int64_t position);

// As long as it lives, the table's first row has the blocks of that sequence, and that row the first one's.
class FirstRow {
 public:
  FirstRow(Executor& executor, std::int64_t sequence);
  ~FirstRow();
  FirstRow(const FirstRow&) = delete;
  FirstRow& operator=(const FirstRow&) = delete;

 private:
  void exchange() const;
  Executor& executor_;
  std::int64_t sequence_;
};

// Walks all that a cache holds of the first sequence, of `positions`: each piece by the name of its tensor,
// in an order that the plan fixes.
void each_cached(Executor& executor, std::int64_t positions,
                 const std::function<void(const TensorDef& cache, std::span<std::byte> piece)>& take);

}  // namespace hone
