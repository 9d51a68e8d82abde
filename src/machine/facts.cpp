#include "hone/machine.hpp"
#include "machine/limits.hpp"
#include "machine/memory.hpp"

namespace hone {

MachineFacts machine_facts() {
  MachineFacts m{.cpu = cpu_name(),
                 .isa = std::string(name(best_isa())),
                 .cores = cpu_count(),
                 .memory_bytes = total_memory_bytes(),
                 .f16c = has_f16c(),
                 .avx512_fp16 = has_avx512_fp16()};
  const MachineLimits& limits = this_machine(m.cores, best_isa());
  m.f32_gflops = limits.f32_gflops;
  m.bf16_gflops = limits.bf16_gflops;
  m.int8_gops = limits.int8_gops;
  m.read_gb_s = limits.read_gb_s;
  m.copy_gb_s = limits.copy_gb_s;
  return m;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Isa isa : all_isas) names.emplace_back(name(isa));
  return names;
}

std::string precision_note(Precision precision, const std::string& isa) {
  const Isa on = isa_from_name(isa);
  const bool bf16_products = has_bf16_products(on);
  if (precision == Precision::f32 || (precision == Precision::bf16 && bf16_products)) return "";
  const std::string half =
      "takes half the memory of f32 for activations and for the copies of weights that products read";
  if (precision == Precision::bf16)
    return isa + " has no bf16 products: bf16 " + half + ", at 0.95 to 1.0 of f32's speed";
  return "fp16 is storage here, computed in f32: it " + half + ", at " +
         (on == Isa::portable ? "a part of f32's speed, for it is converted without F16C"
                              : "0.9 to 1.0 of f32's speed") +
         "; bf16 is the better choice: it saves as much, " +
         (bf16_products ? "is faster on this CPU, " : "") + "reaches as far as f32 and needs no loss scale";
}

}  // namespace hone
