// Rows of f32 into blocks, for files.
//
//   std::vector<std::byte> blocks(row_bytes(Element::q4_k, 256));
//   hone::kernel::quantize(Element::q4_k, row, blocks);
//
// Q8_0, Q4_0, Q4_1 and Q5_0 round as ggml's reference does, with its bits. Q4_K and Q6_K search scales as it
// does, for the least weighted square of what rounding costs; ties may fall otherwise. hone's own round to
// nearest between a group's ends.
#pragma once
#include <cstddef>
#include <span>

#include "kernel/element.hpp"

namespace hone::kernel {

bool can_quantize(Element type);  // is it one of these?
// A row, filled up with zeros; `to` has row_bytes(type, from.size()).
void quantize(Element type, std::span<const float> from, std::span<std::byte> to);

}  // namespace hone::kernel
