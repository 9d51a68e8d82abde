// The pieces of AVX2's register tiles, 4 rows x 1, 2 or 3 vectors, in assembly: 12 accumulators, 3 vectors of
// B and a broadcast take all 16 registers, and g++ 12 keeps some accumulators of intrinsics in memory. B is
// ymm12..14, ymm15 takes the broadcasts; a row's accumulators follow each other. Operands of the asm: %[a],
// rows
// %[s] bytes apart (%[s3] three times that), and %[b].
#pragma once

#define HONE_FMA1(r0) "vfmadd231ps %%ymm12,%%ymm15," r0 "\n"
#define HONE_FMA2(r0, r1) HONE_FMA1(r0) "vfmadd231ps %%ymm13,%%ymm15," r1 "\n"
#define HONE_FMA3(r0, r1, r2) HONE_FMA2(r0, r1) "vfmadd231ps %%ymm14,%%ymm15," r2 "\n"
// B from %[b] + at, then for each of the four rows of A its broadcast and its multiply-adds. c..: the rows'
// accumulators.
#define HONE_B1(at) "vmovups " at "(%[b]),%%ymm12\n"
#define HONE_B2(at) HONE_B1(at) "vmovups 32+" at "(%[b]),%%ymm13\n"
#define HONE_B3(at) HONE_B2(at) "vmovups 64+" at "(%[b]),%%ymm14\n"
#define HONE_A(at, row) "vbroadcastss " at "(%[a]" row "),%%ymm15\n"
// (clang-format 14 never settles on these.)
// clang-format off
#define HONE_UNIT1(a_at, b_at, c0, c1, c2, c3)                       \
  HONE_B1(b_at) HONE_A(a_at, "") HONE_FMA1(c0)                       \
  HONE_A(a_at, ",%[s]") HONE_FMA1(c1)                                \
  HONE_A(a_at, ",%[s],2") HONE_FMA1(c2)                              \
  HONE_A(a_at, ",%[s3]") HONE_FMA1(c3)
#define HONE_UNIT2(a_at, b_at, c0, c1, c2, c3, c4, c5, c6, c7)       \
  HONE_B2(b_at) HONE_A(a_at, "") HONE_FMA2(c0, c1)                   \
  HONE_A(a_at, ",%[s]") HONE_FMA2(c2, c3)                            \
  HONE_A(a_at, ",%[s],2") HONE_FMA2(c4, c5)                          \
  HONE_A(a_at, ",%[s3]") HONE_FMA2(c6, c7)
#define HONE_UNIT3(a_at, b_at, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11) \
  HONE_B3(b_at) HONE_A(a_at, "") HONE_FMA3(c0, c1, c2)               \
  HONE_A(a_at, ",%[s]") HONE_FMA3(c3, c4, c5)                        \
  HONE_A(a_at, ",%[s],2") HONE_FMA3(c6, c7, c8)                      \
  HONE_A(a_at, ",%[s3]") HONE_FMA3(c9, c10, c11)
// clang-format on

#define HONE_CALL(macro, ...) macro(__VA_ARGS__)
#define HONE_FIXED1 "%%ymm0", "%%ymm1", "%%ymm2", "%%ymm3"
#define HONE_FIXED2 HONE_FIXED1, "%%ymm4", "%%ymm5", "%%ymm6", "%%ymm7"
#define HONE_FIXED3 HONE_FIXED2, "%%ymm8", "%%ymm9", "%%ymm10", "%%ymm11"
// Whole tiles of rows %[ldc] bytes apart at %[d], which moves on.
#define HONE_NEXT "add %[ldc],%[d]\n"
#define HONE_LOAD1(r0) "vmovups (%[d])," r0 "\n" HONE_NEXT
#define HONE_LOAD2(r0, r1) "vmovups 32(%[d])," r1 "\n" HONE_LOAD1(r0)
#define HONE_LOAD3(r0, r1, r2) "vmovups 64(%[d])," r2 "\n" HONE_LOAD2(r0, r1)
#define HONE_ADD1(r0) "vaddps (%[d])," r0 "," r0 "\n" HONE_NEXT
#define HONE_ADD2(r0, r1) "vaddps 32(%[d])," r1 "," r1 "\n" HONE_ADD1(r0)
#define HONE_ADD3(r0, r1, r2) "vaddps 64(%[d])," r2 "," r2 "\n" HONE_ADD2(r0, r1)
#define HONE_STORE1(r0) "vmovups " r0 ",(%[d])\n" HONE_NEXT
#define HONE_STORE2(r0, r1) "vmovups " r1 ",32(%[d])\n" HONE_STORE1(r0)
#define HONE_STORE3(r0, r1, r2) "vmovups " r2 ",64(%[d])\n" HONE_STORE2(r0, r1)
#define HONE_ZERO(r) "vxorps " r "," r "," r "\n"
#define HONE_ZERO1(r0) HONE_ZERO(r0)
#define HONE_ZERO2(r0, r1) HONE_ZERO(r0) HONE_ZERO(r1)
#define HONE_ZERO3(r0, r1, r2) HONE_ZERO2(r0, r1) HONE_ZERO(r2)
// row(accumulators) for each of the four rows.
#define HONE_EACH1(row, c0, c1, c2, c3) row(c0) row(c1) row(c2) row(c3)
#define HONE_EACH2(row, c0, c1, c2, c3, c4, c5, c6, c7) row(c0, c1) row(c2, c3) row(c4, c5) row(c6, c7)
#define HONE_EACH3(row, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11) \
  row(c0, c1, c2) row(c3, c4, c5) row(c6, c7, c8) row(c9, c10, c11)
#define HONE_ALL_REGISTERS                                                                                 \
  "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
