// Which tensor of a folder is which weight of a model. The field's tools write one weight under several
// names: with and without the trunk's prefix, behind the wrappers of torch.compile, DDP, FSDP, Lightning or
// peft, and a tied table under the head's name alone.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "file/weight_files.hpp"
#include "op/builder_state.hpp"

namespace hone {

// What a family's files may do.
struct FamilyNames {
  std::string trunk{};                 // "transformer.": what names may leave out
  std::string table{}, head{};         // the weights that a tied model has once
  std::vector<std::string> buffers{};  // ends of names of what is no weight, and may be there: ".attn.bias"
};

// Tensors under the names that a model of the family has, or would have, for them.
using NamedTensors = std::map<std::string, MappedTensor>;

// All tensors of the files: without wrappers, and with the trunk's prefix where `specs` have the part that
// the name begins with. Error(input) where two of them are one weight.
NamedTensors named_tensors(const WeightFiles& files, const FamilyNames& names,
                           const std::vector<ParameterSpec>& specs);

// Looks at what the model does not use. Error(input) for tensors that belong to its own part, so that their
// file computes something else: layers beyond its own, adapters, a quantized weight's parts. Returns the
// names of the rest, heads for other tasks; buffers are passed over.
std::vector<std::string> unused_names(const NamedTensors& tensors, const FamilyNames& names,
                                      const std::vector<ParameterSpec>& specs);

}  // namespace hone
