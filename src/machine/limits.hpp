// What this machine can do at most, measured in about 0.3 s: the yardstick for every share that hone prints
// and for the planner's forecasts.
#pragma once
#include <cstdint>

#include "hone/machine.hpp"
#include "machine/isa.hpp"

namespace hone {

// With all threads together. A multiply-add counts as two operations; the GB are 1e9 bytes.
struct MachineLimits {
  Spread f32_gflops, bf16_gflops, int8_gops;  // sustained (yardstick.hpp)
  double read_gb_s = 0;                       // from memory, larger than caches
  double copy_gb_s = 0;                       // bytes read plus bytes written
};

constexpr std::int64_t traffic_probe_bytes = std::int64_t{128} << 20;

// Of those, a power of two for a plan that will take `bytes`: it measures before its memory is there, never
// takes more, and learns the speed of the caches where its numbers fit into them.
std::int64_t probe_within(std::int64_t bytes);

// Of memory the best of several short runs, since neighbours on a shared machine only ever slow a run down.
// Takes probe_bytes of memory while it runs.
MachineLimits measure_limits(int threads, Isa isa, std::int64_t probe_bytes = traffic_probe_bytes);

// The same, measured once in a process for each number of threads and probe (no more than this machine has
// cores).
const MachineLimits& this_machine(int threads, Isa isa, std::int64_t probe_bytes = traffic_probe_bytes);

}  // namespace hone
