// Layers by the names of what they leave, and the inputs that a teacher's states arrive in.
#pragma once
#include <array>
#include <map>
#include <string>
#include <vector>

#include "hone/distill.hpp"
#include "ir/program.hpp"

namespace hone {

// What the layers of the one stack leave, in order: the activations that are numbered from 0. Error(usage),
// of `who`, where there is none or there are several stacks.
std::vector<std::string> layer_states(const std::map<std::string, TensorId>& activations, const char* who);

// Queries, keys and values that the attention of a layer reads. Error(usage) where it has not one attention.
std::array<std::string, 3> attention_operands(const std::map<std::string, TensorId>& activations,
                                              const std::string& layer, const char* who);

std::string to_text(const LayerMap& map);  // "0=1,1=3"
// Names of inputs: what the teacher's layer leaves, and what its attention reads.
std::string teacher_state(std::int64_t layer);
std::array<std::string, 3> teacher_operands(std::int64_t layer);

}  // namespace hone
