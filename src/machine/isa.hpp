// The instruction sets that hone's kernels are built for, and which of them this CPU has.
#pragma once
#include <string_view>

namespace hone {

enum class Isa {
  portable,  // any x86-64 (or other) CPU
  avx2,      // AVX2, FMA, F16C
  avx512,    // AVX-512 F BW DQ VL, VNNI, BF16
};

std::string_view name(Isa isa);
Isa isa_from_name(std::string_view name);  // throws a usage Error that lists the names
bool cpu_has(Isa isa);
Isa best_isa();  // the widest that this CPU has
// Products of bf16 that the CPU has; elsewhere bf16 is widened to f32 while it is packed.
constexpr bool has_bf16_products(Isa isa) { return isa == Isa::avx512; }

}  // namespace hone
