#include "machine/isa.hpp"

#include <array>
#include <string>

#include "hone/error.hpp"

namespace hone {
namespace {
constexpr std::array all{Isa::portable, Isa::avx2, Isa::avx512};
}

std::string_view name(Isa isa) {
  constexpr std::array<std::string_view, 3> names{"portable", "avx2", "avx512"};
  return names[static_cast<std::size_t>(isa)];
}

Isa isa_from_name(std::string_view wanted) {
  for (const Isa isa : all)
    if (name(isa) == wanted) return isa;
  throw Error(ErrorKind::usage, {.what = "unknown instruction set",
                                 .expected = "portable, avx2 or avx512",
                                 .found = "'" + std::string(wanted) + "'"});
}

bool cpu_has(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
  return isa == Isa::portable || (isa == Isa::avx2 && avx2) || (isa == Isa::avx512 && avx512);
#else
  return isa == Isa::portable;
#endif
}

Isa best_isa() { return cpu_has(Isa::avx512) ? Isa::avx512 : cpu_has(Isa::avx2) ? Isa::avx2 : Isa::portable; }

}  // namespace hone
