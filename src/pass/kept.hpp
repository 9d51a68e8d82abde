// What two passes share: a state that holds a tensor for all sequences of a step.
#pragma once
#include <string>

#include "ir/program.hpp"

namespace hone {

struct KeptState {
  std::string name;
  Purpose purpose;
  std::string of;
};

// A node that puts x, [B,T,..] of a micro-batch, at its place in a new state [batch,T,..]. The caller gives
// the node its place in the program, behind whoever makes x.
Node kept_for_step(Program& program, TensorId x, const KeptState& state, std::int64_t batch,
                   const std::string& node_name);

}  // namespace hone
