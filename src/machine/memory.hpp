// What this process holds, and what machine it is on.
#pragma once
#include <cstdint>
#include <string>

namespace hone {

std::int64_t peak_rss_bytes();      // most that has been resident since the process started
std::int64_t current_rss_bytes();   // resident now
std::int64_t total_memory_bytes();  // of the machine, or of the control group where that grants less
std::string cpu_name();             // as the system reports it: "AMD EPYC 9655 96-Core Processor"
int cpu_count();                    // that this process may run on

}  // namespace hone
