// The number type of a job's products. Weights, moments, norms and sums are f32 in either.
//
//   const hone::Precision p = hone::precision_from_name("bf16");
//   const hone::TrainPlan plan(hone::preset("nano"), {.precision = p});
//   std::puts(hone::name(p));
#pragma once
#include <string>

#include "hone/error.hpp"

namespace hone {

enum class Precision { f32, bf16 };
HONE_API Precision precision_from_name(const std::string& name);  // Error(usage) for another name
HONE_API const char* name(Precision precision);

}  // namespace hone
