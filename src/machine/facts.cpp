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

bool has_bf16_products(const std::string& isa) { return has_bf16_products(isa_from_name(isa)); }

}  // namespace hone
