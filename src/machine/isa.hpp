// The instruction sets that hone's kernels are built for, and which of them this CPU has. In f32 all but
// `portable` give the same bits (doc/numerics.md). Those with VNNI differ from the one before in products of
// whole numbers alone, which are exact: so they are faster there, and have its bits.
#pragma once
#include <array>
#include <string_view>

namespace hone {

enum class Isa {
  portable,     // any x86-64 (or other) CPU
  avx2,         // AVX2, FMA, F16C: from Haswell and Zen on
  avx_vnni,     // and AVX-VNNI: from Alder Lake on, which lacks AVX-512
  avx512,       // AVX-512 F BW DQ VL: from Skylake-X on
  avx512_vnni,  // and VNNI: from Cascade Lake and Ice Lake on
  avx512_bf16,  // and BF16, VNNI, VBMI, VBMI2: Sapphire Rapids, Zen 4
};

inline constexpr std::array all_isas{Isa::portable, Isa::avx2,        Isa::avx_vnni,
                                     Isa::avx512,   Isa::avx512_vnni, Isa::avx512_bf16};  // narrow to wide

std::string_view name(Isa isa);
Isa isa_from_name(std::string_view name);  // throws a usage Error that lists the names
// That with the same bits in every precision: of those with VNNI the one without.
constexpr Isa same_bits_as(Isa isa) {
  return isa == Isa::avx_vnni ? Isa::avx2 : isa == Isa::avx512_vnni ? Isa::avx512 : isa;
}
bool cpu_has(Isa isa);
Isa best_isa();  // the widest that this CPU has
bool has_f16c();
bool has_avx512_fp16();

// Whether products of bf16 run faster than those of f32. Elsewhere bf16 is storage: it is widened when read.
constexpr bool has_bf16_products(Isa isa) { return isa == Isa::avx512_bf16; }

}  // namespace hone
