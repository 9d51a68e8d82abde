#include "hone/machine.hpp"
#include "machine/limits.hpp"
#include "machine/memory.hpp"

namespace hone {

MachineFacts machine_facts() {
  MachineFacts m{.cpu = cpu_name(),
                 .isa = std::string(name(best_isa())),
                 .cores = cpu_count(),
                 .memory_bytes = total_memory_bytes()};
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

std::string bf16_note(const std::string& isa) {
  if (has_bf16_products(isa_from_name(isa))) return "";
  return isa +
         " has no bf16 products: bf16 takes half the memory of f32 for activations and for the copies of "
         "weights that products read, at 0.95 to 1.0 of f32's speed";
}

}  // namespace hone
