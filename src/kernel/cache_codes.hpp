// A head's key or value in a cache of eight bits: an f32 factor, then D codes, whole numbers from -127 to
// 127. Factor and codes are of that head and position alone, so that a position has the same bytes whatever
// is written beside it. Reading them is attention's (kernel/attention.hpp, CachedAttention::coded).
//
//   code_heads({row, Element::bf16}, kv_heads, D, cache_row);
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernel/element.hpp"

namespace hone::kernel {

constexpr std::int64_t code_factor_bytes = 4;
constexpr std::int64_t coded_head_bytes(std::int64_t D) { return code_factor_bytes + D; }

// x[heads*D] -> heads * coded_head_bytes(D) bytes. The factor is the largest size over 127; a code is rounded
// to nearest even. Where a value is not finite the factor is NaN: what is broken stays so.
void code_heads(In x, std::int64_t heads, std::int64_t D, std::byte* to);

}  // namespace hone::kernel
