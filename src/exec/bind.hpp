// Which kernel runs a node, and with what memory.
#pragma once
#include "exec/job.hpp"

namespace hone {

// The operands of a node; addresses stay null.
Call describe(const Program& program, const Node& node, const ExecOptions& options, ThreadPool& pool);
// The first variant for this device that takes the call; Error(input) when there is none.
const Variant& choose(const Node& node, const Call& call);

}  // namespace hone
