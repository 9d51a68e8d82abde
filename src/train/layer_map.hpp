// Layers by the names of what they leave, and the inputs that a teacher's states arrive in.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "hone/distill.hpp"
#include "ir/program.hpp"

namespace hone {

// What the layers of the one stack leave, in order: the activations that are numbered from 0. Error(usage), of
// `who`, where there is none or there are several stacks.
std::vector<std::string> layer_states(const std::map<std::string, TensorId>& activations, const char* who);

std::string to_text(const LayerMap& map);        // "0=1,1=3"
std::string teacher_state(std::int64_t layer);  // an input's name: what the teacher's layer leaves

}  // namespace hone
