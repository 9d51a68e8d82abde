// What a node of phase prepare makes of a weight: a bf16 copy, panels, codes that are simulated.
//
//   set_derived(program[made], "h.0.mlp.c_fc.weight", "h.0.mlp.c_fc.weight.bf16");
#pragma once
#include <string>
#include <vector>

#include "ir/program.hpp"
#include "op/sparse_parts.hpp"

namespace hone {

inline void set_derived(TensorDef& made, const std::string& of, const std::string& name) {
  made.name = name;
  made.role = Role::state;
  made.lifetime = Lifetime::run;
  made.purpose = Purpose::derived;
  made.of = of;
}

// The components of a sparse weight, which become parameters.
std::vector<TensorId> sparse_parameters(Program& program, TensorId weight, const SparseIndex& index);

}  // namespace hone
