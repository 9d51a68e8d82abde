// What is compiled once for each instruction set: a table of functions in the namespace of each. This is the
// one list of those namespaces; CMakeLists.txt gives each its flags. What multiplies whole numbers is also
// compiled with VNNI (HONE_VNNI_BUILDS); all else (HONE_BUILDS) has nothing from it, and takes the build
// before.
//
// Headers that declare a table are also read by the builds themselves, so they hold plain data only: an
// inline function compiled for a wide machine could be linked into code for a narrow one.
#pragma once

#define HONE_DECLARE_BUILD(isa, Table, name) \
  namespace isa {                            \
  extern const Table name;                   \
  }

#define HONE_DECLARE_BUILDS(Table, name)    \
  HONE_DECLARE_BUILD(portable, Table, name) \
  HONE_DECLARE_BUILD(avx2, Table, name)     \
  HONE_DECLARE_BUILD(avx512, Table, name)   \
  HONE_DECLARE_BUILD(avx512_bf16, Table, name)

// `extern const Table name` in every build's namespace, and, outside of the builds, `name_of(isa)`.
#define HONE_BUILDS(Table, name)   \
  HONE_DECLARE_BUILDS(Table, name) \
  HONE_FIND_BUILD(Table, name, avx2, avx512)

#define HONE_VNNI_BUILDS(Table, name)          \
  HONE_DECLARE_BUILDS(Table, name)             \
  HONE_DECLARE_BUILD(avx_vnni, Table, name)    \
  HONE_DECLARE_BUILD(avx512_vnni, Table, name) \
  HONE_FIND_BUILD(Table, name, avx_vnni, avx512_vnni)

#if defined(HONE_ISA)
#define HONE_FIND_BUILD(Table, name, on_avx_vnni, on_avx512_vnni) static_assert(true)
#else
#include "machine/isa.hpp"
#define HONE_FIND_BUILD(Table, name, on_avx_vnni, on_avx512_vnni)                                   \
  inline const Table& name##_of(Isa isa) {                                                          \
    constexpr const Table* builds[] = {&portable::name, &avx2::name,           &on_avx_vnni::name,  \
                                       &avx512::name,   &on_avx512_vnni::name, &avx512_bf16::name}; \
    return *builds[static_cast<int>(isa)];                                                          \
  }                                                                                                 \
  static_assert(true)
#endif
