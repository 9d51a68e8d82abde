// Which kernel runs a node, and what memory it asks for.
#pragma once
#include <vector>

#include "ir/op_record.hpp"

namespace hone {

struct ExecOptions {
  int threads = 1;
  Isa isa = best_isa();
};

// The operands of a node; addresses stay null.
Call describe(const Program& program, const Node& node, const ExecOptions& options, ThreadPool& pool);
// The first variant for this device that takes the call; Error(input) when there is none.
const Variant& choose(const Node& node, const Call& call);
// What the kernel of each node asks for. Nodes have no addresses yet when they are asked, here as in the
// tests of ops: none may look at one.
std::vector<std::int64_t> scratch_bytes(const Program& program, const ExecOptions& options);
// The bytes of a program's activations and scratch, as a job would plan them: what a pass asks of programs
// that it considers.
std::int64_t workspace_bytes(const Program& program, const ExecOptions& options);

}  // namespace hone
