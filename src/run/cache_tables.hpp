// Who owns which block of a cache: the table of each sequence. Beams that go on from one parent share what it
// has read, block by block, and copy only the block that is being filled.
#pragma once
#include <cstdint>
#include <span>

#include "exec/job.hpp"

namespace hone {

// Each sequence gets blocks of its own, in order.
void number_blocks(Executor& executor);

// Sequence i goes on from what parents[i] has read, `position` tokens of each. Blocks stay in their column,
// so those of sequences that nobody goes on from are enough for the copies.
void take_over(Executor& executor, std::span<const std::int32_t> parents, std::int64_t position);

}  // namespace hone
