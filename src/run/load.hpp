// A model's weights into the arena of a job that only reads them.
#pragma once
#include "exec/job.hpp"
#include "hone/model.hpp"

namespace hone {

// Fills the job's parameters, and its bf16 copies of them ("NAME.bf16"); the f32 values of a weight that only
// products read never exist as a whole model.
void load_weights(const Model& model, Executor& executor);

// The positions of every token: `first`, first + 1, ... in each of the rows of `seq`.
void fill_positions(std::span<std::int32_t> positions, std::int64_t seq, std::int64_t first);

}  // namespace hone
