// Activations that are not kept between forward and backward.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/program.hpp"

namespace hone {

struct Recomputed {
  TensorId tensor;  // owns its storage
  // 0: made again once, before its first reader in the backward part, and there until its last. From 1 on: a
  // group. Where it is only an ingredient of tensors of other groups it goes at once, and is made once more
  // when its own group's turn comes.
  std::int32_t group = 0;
};

// Clones the nodes that make these tensors in front of the backward part's first reader, which reads the
// clone's result from then on; no bit changes, for a clone draws from its original's random stream. A clone's
// own inputs may be in the list too. What another op makes of a kept output (OpRecord::remake) is made that
// way. Tensors that nobody reads backward, that several nodes make, or that are outputs stay as they are.
// Runs behind the passes that look for neighbours; a bug of hone's where something would be made from a
// weight that has been updated by then.
void recompute(Program& program, const std::vector<Recomputed>& tensors);

}  // namespace hone
