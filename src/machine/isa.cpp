#include "machine/isa.hpp"

#include <algorithm>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "hone/error.hpp"

namespace hone {
namespace {

constexpr std::array<std::string_view, all_isas.size()> names{"portable", "avx2",        "avx_vnni",
                                                              "avx512",   "avx512_vnni", "avx512_bf16"};

std::string listed() {
  std::string list;
  for (const std::string_view each : names)
    list += (list.empty() ? "" : each == names.back() ? " or " : ", ") + std::string(each);
  return list;
}

#if defined(__x86_64__)
// CPUID leaf 7.1, EAX bit 4; g++ 12 and clang 14 know no name for it. That the system keeps the registers is
// asked with AVX2.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif

}  // namespace

std::string_view name(Isa isa) { return names[static_cast<std::size_t>(isa)]; }

Isa isa_from_name(std::string_view wanted) {
  for (const Isa isa : all_isas)
    if (name(isa) == wanted) return isa;
  throw Error(ErrorKind::usage, {.what = "unknown instruction set",
                                 .where = "isa",
                                 .expected = listed(),
                                 .found = "'" + std::string(wanted) + "'"});
}

bool cpu_has(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  const bool bf16 = vnni && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi") &&
                    __builtin_cpu_supports("avx512vbmi2");
  switch (isa) {
    case Isa::avx2:
      return avx2;
    case Isa::avx_vnni:
      return avx2 && has_avx_vnni();
    case Isa::avx512:
      return avx512;
    case Isa::avx512_vnni:
      return vnni;
    case Isa::avx512_bf16:
      return bf16;
    case Isa::portable:
      break;
  }
#endif
  return isa == Isa::portable;
}

#if defined(__x86_64__)
bool has_f16c() { return __builtin_cpu_supports("f16c"); }
bool has_avx512_fp16() { return __builtin_cpu_supports("avx512fp16"); }
#else
bool has_f16c() { return false; }
bool has_avx512_fp16() { return false; }
#endif

Isa best_isa() { return *std::find_if(all_isas.rbegin(), all_isas.rend(), cpu_has); }

}  // namespace hone
