// gemm_tile.hpp for AVX2: 4 rows x 1, 2 or 3 vectors. Four units a round with their places in the
// instructions: 19 of them for 12 multiply-adds, where a sibling thread that is busy makes places scarce.
#pragma once
#include "kernel/isa/simd.hpp"
#include "kernel/isa/tile_avx2.hpp"

namespace hone::kernel::HONE_ISA {

#define HONE_TILE_UNIT(vectors, u) \
  HONE_CALL(HONE_UNIT##vectors, #u "*%c[as]", #u "*32*" #vectors, HONE_FIXED##vectors)
#define HONE_TILE(vectors) \
  asm volatile(                                                                                              \
      HONE_CALL(HONE_EACH##vectors, HONE_ZERO##vectors, HONE_FIXED##vectors)                                 \
      "testq $1,%[mode]\n jz 2f\n mov %[c],%[d]\n"                                                           \
      HONE_CALL(HONE_EACH##vectors, HONE_LOAD##vectors, HONE_FIXED##vectors)                                 \
      "2: sub $4,%[k]\n jl 5f\n .p2align 5\n"                                                                \
      "1:\n" HONE_TILE_UNIT(vectors, 0) HONE_TILE_UNIT(vectors, 1) HONE_TILE_UNIT(vectors, 2)                \
      HONE_TILE_UNIT(vectors, 3)                                                                             \
      "add $4*32*" #vectors ",%[b]\n add $4*%c[as],%[a]\n sub $4,%[k]\n jge 1b\n"                            \
      "5: add $4,%[k]\n jz 3f\n"                                                                             \
      "6:\n" HONE_TILE_UNIT(vectors, 0)                                                                      \
      "add $32*" #vectors ",%[b]\n add $%c[as],%[a]\n dec %[k]\n jnz 6b\n"                                  \
      "3: mov %[c],%[d]\n testq $2,%[mode]\n jz 4f\n"                                                        \
      HONE_CALL(HONE_EACH##vectors, HONE_ADD##vectors, HONE_FIXED##vectors)                                  \
      "mov %[c],%[d]\n"                                                                                      \
      "4:\n" HONE_CALL(HONE_EACH##vectors, HONE_STORE##vectors, HONE_FIXED##vectors)                         \
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
