// gemm_tile.hpp for AVX2: 4 rows x 1, 2 or 3 vectors.
//
// In assembly, since 12 accumulators, 3 vectors of B and a broadcast take all 16 registers and g++ 12 keeps
// some accumulators of intrinsics in memory. Row r's accumulators are the next 1, 2 or 3 of ymm0..11, B is
// ymm12..14, ymm15 takes the broadcasts. Four units a round with their places in the instructions: 19 of them
// for 12 multiply-adds, where a sibling thread that is busy makes places scarce.
#pragma once
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

#define HONE_FMA1(r0) "vfmadd231ps %%ymm12,%%ymm15,%%ymm" #r0 "\n"
#define HONE_FMA2(r0, r1) HONE_FMA1(r0) "vfmadd231ps %%ymm13,%%ymm15,%%ymm" #r1 "\n"
#define HONE_FMA3(r0, r1, r2) HONE_FMA2(r0, r1) "vfmadd231ps %%ymm14,%%ymm15,%%ymm" #r2 "\n"
#define HONE_B1(at) "vmovups " at "(%[b]),%%ymm12\n"
#define HONE_B2(at) HONE_B1(at) "vmovups 32+" at "(%[b]),%%ymm13\n"
#define HONE_B3(at) HONE_B2(at) "vmovups 64+" at "(%[b]),%%ymm14\n"
#define HONE_A(at, row) "vbroadcastss " at "(%[a]" row "),%%ymm15\n"
#define HONE_ROWS1(at)                                                                                  \
  HONE_A(at, "")                                                                                        \
  HONE_FMA1(0) HONE_A(at, ",%[s]") HONE_FMA1(1) HONE_A(at, ",%[s],2") HONE_FMA1(2) HONE_A(at, ",%[s3]") \
      HONE_FMA1(3)
#define HONE_ROWS2(at)                                                                      \
  HONE_A(at, "")                                                                            \
  HONE_FMA2(0, 1) HONE_A(at, ",%[s]") HONE_FMA2(2, 3) HONE_A(at, ",%[s],2") HONE_FMA2(4, 5) \
      HONE_A(at, ",%[s3]") HONE_FMA2(6, 7)
#define HONE_ROWS3(at)                                                                               \
  HONE_A(at, "")                                                                                     \
  HONE_FMA3(0, 1, 2) HONE_A(at, ",%[s]") HONE_FMA3(3, 4, 5) HONE_A(at, ",%[s],2") HONE_FMA3(6, 7, 8) \
      HONE_A(at, ",%[s3]") HONE_FMA3(9, 10, 11)
// Unit u of a panel of so many vectors.
#define HONE_UNIT(vectors, u) HONE_B##vectors(#u "*32*" #vectors) HONE_ROWS##vectors(#u "*%c[as]")

#define HONE_NEXT "add %[ldc],%[d]\n"
#define HONE_LOAD1(r0) "vmovups (%[d]),%%ymm" #r0 "\n" HONE_NEXT
#define HONE_LOAD2(r0, r1) "vmovups 32(%[d]),%%ymm" #r1 "\n" HONE_LOAD1(r0)
#define HONE_LOAD3(r0, r1, r2) "vmovups 64(%[d]),%%ymm" #r2 "\n" HONE_LOAD2(r0, r1)
#define HONE_ADD1(r0) "vaddps (%[d]),%%ymm" #r0 ",%%ymm" #r0 "\n" HONE_NEXT
#define HONE_ADD2(r0, r1) "vaddps 32(%[d]),%%ymm" #r1 ",%%ymm" #r1 "\n" HONE_ADD1(r0)
#define HONE_ADD3(r0, r1, r2) "vaddps 64(%[d]),%%ymm" #r2 ",%%ymm" #r2 "\n" HONE_ADD2(r0, r1)
#define HONE_STORE1(r0) "vmovups %%ymm" #r0 ",(%[d])\n" HONE_NEXT
#define HONE_STORE2(r0, r1) "vmovups %%ymm" #r1 ",32(%[d])\n" HONE_STORE1(r0)
#define HONE_STORE3(r0, r1, r2) "vmovups %%ymm" #r2 ",64(%[d])\n" HONE_STORE2(r0, r1)
#define HONE_ZERO3(r0, r1, r2)                 \
  "vxorps %%ymm" #r0 ",%%ymm" #r0 ",%%ymm" #r0 \
  "\n"                                         \
  "vxorps %%ymm" #r1 ",%%ymm" #r1 ",%%ymm" #r1 \
  "\n"                                         \
  "vxorps %%ymm" #r2 ",%%ymm" #r2 ",%%ymm" #r2 "\n"
#define HONE_EACH1(do) \
  do (0) do(1) do(2) do(3)
#define HONE_EACH2(do) \
  do (0, 1) do(2, 3) do(4, 5) do(6, 7)
#define HONE_EACH3(do) \
  do (0, 1, 2) do(3, 4, 5) do(6, 7, 8) do(9, 10, 11)
#define HONE_ALL_REGISTERS                                                                                 \
  "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define HONE_TILE(vectors) \
  asm volatile(                                                                                             \
      HONE_EACH3(HONE_ZERO3)                                                                                \
      "testq $1,%[mode]\n jz 2f\n mov %[c],%[d]\n" HONE_EACH##vectors(HONE_LOAD##vectors)                   \
      "2: sub $4,%[k]\n jl 5f\n .p2align 5\n"                                                               \
      "1:\n" HONE_UNIT(vectors, 0) HONE_UNIT(vectors, 1) HONE_UNIT(vectors, 2) HONE_UNIT(vectors, 3)        \
      "add $4*32*" #vectors ",%[b]\n add $4*%c[as],%[a]\n sub $4,%[k]\n jge 1b\n"                           \
      "5: add $4,%[k]\n jz 3f\n"                                                                            \
      "6:\n" HONE_UNIT(vectors, 0) "add $32*" #vectors ",%[b]\n add $%c[as],%[a]\n dec %[k]\n jnz 6b\n"     \
      "3: mov %[c],%[d]\n testq $2,%[mode]\n jz 4f\n" HONE_EACH##vectors(HONE_ADD##vectors)                 \
      "mov %[c],%[d]\n"                                                                                     \
      "4:\n" HONE_EACH##vectors(HONE_STORE##vectors)                                                        \
      : [a] "+r"(a), [b] "+r"(b), [k] "+r"(k), [d] "=&r"(d)                                                 \
      : [s] "r"(s), [s3] "r"(3 * s), [as] "i"(unit_bytes), [c] "r"(t.c), [ldc] "r"(ldc), [mode] "r"(mode)   \
      : HONE_ALL_REGISTERS)

// unit_bytes: TileProduct::a_unit_bytes.
template <int vectors, int unit_bytes>
HONE_INLINE void multiply_units(const TileProduct& t) {
  const std::int64_t s = t.a_row_bytes, ldc = t.c_stride * 4;
  const std::int64_t mode = (t.from_c ? 1 : 0) | (t.add_to_c ? 2 : 0);
  const char* a = static_cast<const char*>(t.a);
  const std::uint32_t* b = t.b;
  std::int64_t k = t.units;
  float* d;
  if constexpr (vectors == 1) HONE_TILE(1);
  if constexpr (vectors == 2) HONE_TILE(2);
  if constexpr (vectors == 3) HONE_TILE(3);
}

// Rows of A as they lie have their units side by side; packed ones (of dY) keep those of a tile's rows so.
template <int vectors, int pair>
HONE_INLINE void multiply_vectors(const TileProduct& t) {
  if (t.a_unit_bytes == 4)
    multiply_units<vectors, 4>(t);
  else
    multiply_units<vectors, 4 * tile_rows>(t);
}

}  // namespace hone::kernel::HONE_ISA
