// What a teacher's soft labels are called as inputs, and what bounds them.
#pragma once
#include "hone/distill.hpp"

namespace hone {

inline constexpr const char* teacher_ids = "teacher_ids";
inline constexpr const char* teacher_masses = "teacher_masses";

void check_distill_loss(const DistillLoss& loss);  // Error(usage)
// How many ids of a vocabulary are known one by one.
std::int64_t known_ids(const DistillLoss& loss, std::int64_t vocab_size);

}  // namespace hone
