// What this process holds, and what machine it is on.
#pragma once
#include <cstdint>

namespace hone {

std::int64_t peak_rss_bytes();          // most that has been resident since the process started
std::int64_t current_rss_bytes();       // resident now
void give_back_freed_memory();          // what the C library keeps of what was freed: to the system
std::int64_t total_memory_bytes();      // of the machine, or of the control group where that grants less
std::int64_t available_memory_bytes();  // of that, what new work can have without swapping
int cpu_count();                        // that this process may run on

}  // namespace hone
