// gemm_tile.hpp for AVX-512: 8 rows x 1, 2 or 3 vectors of f32, of pairs of bf16 or of four int8.
//
// g++ 12 spills an 8 x 48 kernel of intrinsics (57 % of the limit), hence assembly: 96 to 100 %. Registers:
// row r's accumulators are the next 1, 2 or 3 of zmm0..23, B is zmm24..26, broadcasts alternate between two.
// Prefetch 768 bytes ahead: the panel streams from L2. Of whole numbers a unit also fetches from wherever the
// caller wants.
#pragma once
#include "kernel/isa/simd.hpp"

namespace hone::kernel::HONE_ISA {

#define HONE_FMA1(op, a, r0) op " %%zmm24,%%zmm" #a ",%%zmm" #r0 "\n"
#define HONE_FMA2(op, a, r0, r1) HONE_FMA1(op, a, r0) op " %%zmm25,%%zmm" #a ",%%zmm" #r1 "\n"
#define HONE_FMA3(op, a, r0, r1, r2) HONE_FMA2(op, a, r0, r1) op " %%zmm26,%%zmm" #a ",%%zmm" #r2 "\n"
#define HONE_BROADCAST(where, a) "vbroadcastss " where ",%%zmm" #a "\n"
#define HONE_A0 HONE_BROADCAST("(%[a])", 27)
#define HONE_A1 HONE_BROADCAST("(%[a],%[s])", 28)
#define HONE_A2 HONE_BROADCAST("(%[a],%[s],2)", 27)
#define HONE_A3 HONE_BROADCAST("(%[a],%[s3])", 28)
#define HONE_A4 HONE_BROADCAST("(%[a4])", 27)
#define HONE_A5 HONE_BROADCAST("(%[a4],%[s])", 28)
#define HONE_A6 HONE_BROADCAST("(%[a4],%[s],2)", 27)
#define HONE_A7 HONE_BROADCAST("(%[a4],%[s3])", 28)
#define HONE_LOOP1(op)                                                                              \
  "vmovups (%[b]),%%zmm24\n prefetcht0 768(%[b])\n" HONE_A0 HONE_FMA1(op, 27, 0) HONE_A1 HONE_FMA1( \
      op, 28, 1) HONE_A2                                                                            \
  HONE_FMA1(op, 27, 2) HONE_A3                                                                      \
  HONE_FMA1(op, 28, 3) HONE_A4                                                                      \
  HONE_FMA1(op, 27, 4) HONE_A5                                                                      \
  HONE_FMA1(op, 28, 5) HONE_A6                                                                      \
  HONE_FMA1(op, 27, 6) HONE_A7                                                                      \
  HONE_FMA1(op, 28, 7) "add $64,%[b]\n"
#define HONE_LOOP2(op)                                    \
  "vmovups (%[b]),%%zmm24\n vmovups 64(%[b]),%%zmm25\n"   \
  "prefetcht0 768(%[b])\n prefetcht0 832(%[b])\n" HONE_A0 \
  HONE_FMA2(op, 27, 0, 1) HONE_A1                         \
  HONE_FMA2(op, 28, 2, 3) HONE_A2                         \
  HONE_FMA2(op, 27, 4, 5) HONE_A3                         \
  HONE_FMA2(op, 28, 6, 7) HONE_A4                         \
  HONE_FMA2(op, 27, 8, 9) HONE_A5                         \
  HONE_FMA2(op, 28, 10, 11) HONE_A6                       \
  HONE_FMA2(op, 27, 12, 13) HONE_A7                       \
  HONE_FMA2(op, 28, 14, 15) "add $128,%[b]\n"
#define HONE_LOOP3(op)                                                              \
  "vmovups (%[b]),%%zmm24\n vmovups 64(%[b]),%%zmm25\n vmovups 128(%[b]),%%zmm26\n" \
  "prefetcht0 768(%[b])\n prefetcht0 832(%[b])\n prefetcht0 896(%[b])\n" HONE_A0    \
  HONE_FMA3(op, 27, 0, 1, 2) HONE_A1                                                \
  HONE_FMA3(op, 28, 3, 4, 5) HONE_A2                                                \
  HONE_FMA3(op, 27, 6, 7, 8) HONE_A3                                                \
  HONE_FMA3(op, 28, 9, 10, 11) HONE_A4                                              \
  HONE_FMA3(op, 27, 12, 13, 14) HONE_A5                                             \
  HONE_FMA3(op, 28, 15, 16, 17) HONE_A6                                             \
  HONE_FMA3(op, 27, 18, 19, 20) HONE_A7                                             \
  HONE_FMA3(op, 28, 21, 22, 23) "add $192,%[b]\n"

#define HONE_NEXT "add %[ldc],%[d]\n"
#define HONE_LOAD1(r0) "vmovups (%[d]),%%zmm" #r0 "\n" HONE_NEXT
#define HONE_LOAD2(r0, r1) "vmovups 64(%[d]),%%zmm" #r1 "\n" HONE_LOAD1(r0)
#define HONE_LOAD3(r0, r1, r2) "vmovups 128(%[d]),%%zmm" #r2 "\n" HONE_LOAD2(r0, r1)
#define HONE_ADD1(r0) "vaddps (%[d]),%%zmm" #r0 ",%%zmm" #r0 "\n" HONE_NEXT
#define HONE_ADD2(r0, r1) "vaddps 64(%[d]),%%zmm" #r1 ",%%zmm" #r1 "\n" HONE_ADD1(r0)
#define HONE_ADD3(r0, r1, r2) "vaddps 128(%[d]),%%zmm" #r2 ",%%zmm" #r2 "\n" HONE_ADD2(r0, r1)
#define HONE_STORE1(r0) "vmovups %%zmm" #r0 ",(%[d])\n" HONE_NEXT
#define HONE_STORE2(r0, r1) "vmovups %%zmm" #r1 ",64(%[d])\n" HONE_STORE1(r0)
#define HONE_STORE3(r0, r1, r2) "vmovups %%zmm" #r2 ",128(%[d])\n" HONE_STORE2(r0, r1)
#define HONE_ROWS1(do) \
  do (0) do(1) do(2) do(3) do(4) do(5) do(6) do(7)
#define HONE_ROWS2(do) \
  do (0, 1) do(2, 3) do(4, 5) do(6, 7) do(8, 9) do(10, 11) do(12, 13) do(14, 15)
#define HONE_ROWS3(do) \
  do                   \
  (0, 1, 2) do(3, 4, 5) do(6, 7, 8) do(9, 10, 11) do(12, 13, 14) do(15, 16, 17) do(18, 19, 20) do(21, 22, 23)
#define HONE_ZERO3(r0, r1, r2)                                                                 \
  "vpxord %%zmm" #r0 ",%%zmm" #r0 ",%%zmm" #r0 "\n vpxord %%zmm" #r1 ",%%zmm" #r1 ",%%zmm" #r1 \
  "\n"                                                                                         \
  "vpxord %%zmm" #r2 ",%%zmm" #r2 ",%%zmm" #r2 "\n"

#define HONE_FETCH "prefetcht0 (%[f])\n add %[fs],%[f]\n"
#define HONE_TILE(vectors, op, fetch) \
  asm volatile(                                                                                                \
      HONE_ROWS3(HONE_ZERO3)                                                                                   \
      "testq $1,%[mode]\n jz 2f\n mov %[c],%[d]\n" HONE_ROWS##vectors(HONE_LOAD##vectors)                      \
      "2: mov %[c],%[d]\n test %[k],%[k]\n jz 3f\n .p2align 5\n"                                               \
      "1:\n" fetch HONE_LOOP##vectors(op) "add %[ak],%[a]\n add %[ak],%[a4]\n dec %[k]\n jnz 1b\n"             \
      "3: testq $2,%[mode]\n jz 4f\n" HONE_ROWS##vectors(HONE_ADD##vectors) "mov %[c],%[d]\n"                  \
      "4:\n" HONE_ROWS##vectors(HONE_STORE##vectors)                                                           \
      : [a] "+r"(a), [a4] "+r"(a4), [b] "+r"(b), [k] "+r"(k), [d] "=&r"(d), [f] "+r"(f)                        \
      : [s] "r"(s), [s3] "r"(s3), [ak] "r"(t.a_unit_bytes), [c] "rm"(t.c), [ldc] "rm"(ldc), [mode] "rm"(mode), \
        [fs] "r"(fs)                                                                                           \
      : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",        \
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",     \
        "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28")

template <int vectors, int pair>
HONE_INLINE void multiply_vectors(const TileProduct& t) {
  const std::int64_t s = t.a_row_bytes, s3 = 3 * s, ldc = t.c_stride * 4;
  const std::int64_t mode = (t.from_c ? 1 : 0) | (t.add_to_c ? 2 : 0);
  const char* a = static_cast<const char*>(t.a);
  const char* a4 = a + 4 * s;
  const std::uint32_t* b = t.b;
  std::int64_t k = t.units;
  const std::byte* f = t.fetch;
  const std::int64_t fs = t.fetch_bytes;
  float* d;
  if constexpr (vectors == 1 && pair == 1) HONE_TILE(1, "vfmadd231ps", "");
  if constexpr (vectors == 2 && pair == 1) HONE_TILE(2, "vfmadd231ps", "");
  if constexpr (vectors == 3 && pair == 1) HONE_TILE(3, "vfmadd231ps", "");
  if constexpr (vectors == 1 && pair == 2) HONE_TILE(1, "vdpbf16ps", "");
  if constexpr (vectors == 2 && pair == 2) HONE_TILE(2, "vdpbf16ps", "");
  if constexpr (vectors == 3 && pair == 2) HONE_TILE(3, "vdpbf16ps", "");
  if constexpr (vectors == 3 && pair == 4)
    HONE_TILE(3, "vpdpbusd", HONE_FETCH);  // A unsigned, B signed (int8_tile.hpp)
}

}  // namespace hone::kernel::HONE_ISA
