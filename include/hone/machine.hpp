// This machine: what hone found, and what it can do at most.
//
//   const hone::MachineFacts m = hone::machine_facts();
//   std::printf("%s, %.0f GFLOP/s in bf16\n", m.cpu.c_str(), m.bf16_gflops.median);
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hone/precision.hpp"

namespace hone {

// Of several samples.
struct Spread {
  double median = 0, min = 0, max = 0;
};

struct MachineFacts {
  std::string cpu{}, isa{};  // the widest instruction set that hone uses here
  int cores = 1;
  std::int64_t memory_bytes = 0;
  // Sustained by all cores together, measured in half a second; a multiply-add counts as two operations.
  Spread f32_gflops{}, bf16_gflops{}, int8_gops{};
  double read_gb_s = 0, copy_gb_s = 0;  // the best of several passes; a GB is 1e9 bytes
  // F16C converts fp16 to f32 and back, which is all that hone needs; AVX-512 FP16 computes in it.
  bool f16c = false, avx512_fp16 = false;
};

HONE_API MachineFacts machine_facts();
HONE_API std::string cpu_name();  // as the system reports it: "AMD EPYC 9655 96-Core Processor"

// What an option `isa` may name, narrow to wide, whether this CPU has it or not.
HONE_API std::vector<std::string> instruction_sets();

// What a precision saves and costs with these kernels, for a person to read; empty where there is nothing to
// say: of f32, and of bf16 where it is faster.
HONE_API std::string precision_note(Precision precision, const std::string& isa);

}  // namespace hone
