#include "pass/derived.hpp"

namespace hone {

std::vector<TensorId> sparse_parameters(Program& program, TensorId weight, const SparseIndex& index) {
  const std::string source = program[weight].name;
  std::vector<TensorId> parts;
  for (const SparsePartType& part : sparse_part_types(index, program[weight].type.shape))
    parts.push_back(add_parameter(program, {.name = source + "." + part.name,
                                            .shape = part.type.shape,
                                            .trained = false,
                                            .dtype = part.type.dtype}));
  return parts;
}

}  // namespace hone
