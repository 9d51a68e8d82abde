// Quantization-aware training: which weights are read as codes will hold them, and how.
#pragma once
#include <string>

#include "hone/train.hpp"
#include "pass/simulate_codes.hpp"

namespace hone {

// Error(usage) for options that contradict the model or one another; decides what is left open.
void decide_qat(const Model& model, TrainPlanOptions& options);
// By weight; nothing without options.qat.
RoundedWeights rounded_weights(const Model& model, const TrainPlanOptions& options);
// The options of hone quantize by which `trained`, a folder, becomes what training has read.
std::string quantize_options(const QatOptions& qat);

}  // namespace hone
