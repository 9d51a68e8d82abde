// The number type of a job's products. Weights, moments, norms and sums are f32 in either.
#pragma once
#include <string>

#include "hone/error.hpp"

namespace hone {

enum class Precision { f32, bf16 };
HONE_API Precision precision_from_name(const std::string& name);
HONE_API const char* name(Precision precision);

}  // namespace hone
