// The logits of a batch, all of them, in f32.
#pragma once
#include <vector>

#include "hone/model.hpp"
#include "hone/text.hpp"
#include "machine/isa.hpp"

namespace hone {
std::vector<float> logits_of(const Model& model, const Batch& batch, int threads, Isa isa);
}
