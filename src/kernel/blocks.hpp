// ggml's blocks of quantized weights: expansion to f32.
//
//   std::vector<float> row(256);
//   hone::kernel::expand({blocks, Element::q4_k}, row);
//
// The same bits on every instruction set, and those of ggml's own expansion. Not for bound loops, which have
// theirs in kernel/isa.
#pragma once
#include <cstddef>
#include <span>

#include "kernel/element.hpp"

namespace hone::kernel {

// A row, or the beginning of one, of blocks or of a floating type.
void expand(In values, std::span<float> to);

}  // namespace hone::kernel
