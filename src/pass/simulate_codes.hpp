// Weights that train as they will be once they are rounded to codes (quantization-aware training).
//
//   simulate_codes(program, {{"model.layers.0.mlp.up_proj.weight", {.group = 128, .levels = 4}}});
//
// On a forward program: products read what op `simulate` makes of a weight once an update, and the weight
// itself goes on in f32 beside it. The lines of its groups are frozen parameters, "NAME.scales" and
// "NAME.minima".
#pragma once
#include <map>
#include <string>

#include "ir/program.hpp"
#include "op/ops.hpp"

namespace hone {

using SimulatedCodes = std::map<std::string, op::SimulateAttributes>;  // by weight

void simulate_codes(Program& program, const SimulatedCodes& weights);

// The same where each group's line is that of rounding to nearest, anew at each update: nothing is frozen.
using RoundedWeights = std::map<std::string, op::RoundWeightAttributes>;  // by weight
void round_weights(Program& program, const RoundedWeights& weights);

std::string scales_name(const std::string& weight);
std::string minima_name(const std::string& weight);

}  // namespace hone
