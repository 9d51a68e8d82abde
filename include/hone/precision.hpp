// The number type of a job's products. Weights, moments, norms and sums are f32 in each. bf16 has the range
// of f32 in 8 significant bits; fp16 has 11, but ends at 65504 and loses what is below 2^-24, so that
// training scales its losses (hone/train.hpp, LossScaling).
//
//   const hone::Precision p = hone::precision_from_name("bf16");
//   const hone::TrainPlan plan(hone::preset("nano"), {.precision = p});
//   std::puts(hone::name(p));
#pragma once
#include <string>

#include "hone/error.hpp"

namespace hone {

enum class Precision { f32, bf16, fp16 };
HONE_API Precision precision_from_name(const std::string& name);  // Error(usage) for another name
HONE_API const char* name(Precision precision);

}  // namespace hone
