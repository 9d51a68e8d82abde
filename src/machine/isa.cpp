#include "machine/isa.hpp"

#include <algorithm>
#include <string>

#include "hone/error.hpp"

namespace hone {
namespace {

constexpr std::array<std::string_view, all_isas.size()> names{"portable", "avx2", "avx512", "avx512_bf16"};

std::string listed() {
  std::string list;
  for (const std::string_view each : names)
    list += (list.empty() ? "" : each == names.back() ? " or " : ", ") + std::string(each);
  return list;
}

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
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni") &&
                    __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
  switch (isa) {
    case Isa::avx2:
      return avx2;
    case Isa::avx512:
      return avx512;
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
