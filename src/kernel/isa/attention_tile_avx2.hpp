// attention_product.hpp for AVX2: strips of 3 vectors, 2 and 1 for what is left, always 4 rows.
#pragma once
#include "kernel/isa/simd.hpp"
#include "kernel/isa/tile_avx2.hpp"

namespace hone::kernel::HONE_ISA {

#define HONE_SCORES2 "%[c00]", "%[c01]", "%[c10]", "%[c11]", "%[c20]", "%[c21]", "%[c30]", "%[c31]"
#define HONE_SCORES3                                                                                  \
  "%[c00]", "%[c01]", "%[c02]", "%[c10]", "%[c11]", "%[c12]", "%[c20]", "%[c21]", "%[c22]", "%[c30]", \
      "%[c31]", "%[c32]"
#define HONE_SCORES_UNIT(vectors, u) \
  HONE_CALL(HONE_UNIT##vectors, #u "*4", #u "*%c[bs]", HONE_SCORES##vectors)
#define HONE_SCORES_LOOP(vectors)                                                                           \
  HONE_CALL(HONE_EACH##vectors, HONE_ZERO##vectors, HONE_SCORES##vectors)                                   \
  ".p2align 5\n1:\n" HONE_SCORES_UNIT(vectors, 0) HONE_SCORES_UNIT(vectors, 1) HONE_SCORES_UNIT(vectors, 2) \
      HONE_SCORES_UNIT(vectors, 3) "add $4*%c[bs],%[b]\n add $16,%[a]\n sub $4,%[k]\n jg 1b\n"
#define HONE_SCORES_ROW2(r) [c##r##0] "=&x"(c[r][0]), [c##r##1] "=&x"(c[r][1])
#define HONE_SCORES_ROW3(r) HONE_SCORES_ROW2(r), [c##r##2] "=&x"(c[r][2])
#define HONE_SCORES_TILE(vectors)                                                                       \
  asm volatile(HONE_SCORES_LOOP(vectors)                                                                \
               : HONE_SCORES_ROW##vectors(0), HONE_SCORES_ROW##vectors(1), HONE_SCORES_ROW##vectors(2), \
                 HONE_SCORES_ROW##vectors(3), [a] "+r"(a), [b] "+r"(b), [k] "+r"(K)                     \
               : [s] "r"(s), [s3] "r"(3 * s), [bs] "i"(block * 4)                                       \
               : "memory", "cc", "xmm12", "xmm13", "xmm14", "xmm15")

// c = A B from zero, in registers: rows of A a_step apart, B's units `block` apart. K is a multiple of 4.
template <class Type, int R, int V>
HONE_INLINE void multiply_scores(const float* a, Index a_step, const float* b, Index K, F (&c)[R][V]) {
  static_assert(R == 4);
  const Index s = a_step * 4;
  if constexpr (V == 2) HONE_SCORES_TILE(2);
  if constexpr (V == 3) HONE_SCORES_TILE(3);
}

// Steps between units are known at run time only, so the pointers move on with each.
#define HONE_PRODUCT_UNIT(vectors) \
  HONE_CALL(HONE_UNIT##vectors, "0", "0", HONE_FIXED##vectors) "add %[bs],%[b]\n add %[as],%[a]\n"
#define HONE_PRODUCT_TILE(vectors) \
  asm volatile(                                                                                            \
      HONE_CALL(HONE_EACH##vectors, HONE_ZERO##vectors, HONE_FIXED##vectors)                               \
      "mov %[c],%[d]\n test %[load],%[load]\n jz 2f\n"                                                     \
      HONE_CALL(HONE_EACH##vectors, HONE_LOAD##vectors, HONE_FIXED##vectors)                               \
      "2: mov %[c],%[d]\n test %[k],%[k]\n jz 3f\n .p2align 5\n1:\n" HONE_PRODUCT_UNIT(vectors) HONE_PRODUCT_UNIT(vectors)          \
      HONE_PRODUCT_UNIT(vectors) HONE_PRODUCT_UNIT(vectors) "sub $4,%[k]\n jg 1b\n3:\n"                        \
      HONE_CALL(HONE_EACH##vectors, HONE_STORE##vectors, HONE_FIXED##vectors)                              \
      : [a] "+r"(a), [b] "+r"(b), [k] "+r"(k), [d] "=&r"(d)                                                \
      : [s] "r"(s), [s3] "r"(3 * s), [as] "r"(unit), [bs] "r"(p.b_step * 4), [c] "r"(c), [ldc] "r"(p.c_step * 4), \
        [load] "r"(Index{accumulate})                                                                      \
      : HONE_ALL_REGISTERS)

template <class Type, int V, bool adjacent>
__attribute__((noinline)) void product_strip(const Operands& p, Index M, Index K, bool accumulate) {
  const Index s = (adjacent ? 1 : p.a_step) * 4, unit = (adjacent ? p.a_step : 1) * 4;
  for (Index m = 0; m < M; m += 4) {
    const float *a = p.a + (adjacent ? m : m * p.a_step), *b = p.b;
    float *c = p.c + m * p.c_step, *d;
    Index k = K;
    if constexpr (V == 1) HONE_PRODUCT_TILE(1);
    if constexpr (V == 2) HONE_PRODUCT_TILE(2);
    if constexpr (V == 3) HONE_PRODUCT_TILE(3);
  }
}

}  // namespace hone::kernel::HONE_ISA
