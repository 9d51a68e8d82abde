#include "machine/memory.hpp"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "hone/machine.hpp"

namespace hone {
namespace {

// The rest of the first line of a "key: value" file that begins with key; empty if there is none.
std::string value_of(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const auto colon = line.find(':');
    const auto start = line.find_first_not_of(" \t", colon == std::string::npos ? key.size() : colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

}  // namespace

// The kernel's high-water mark of this program's memory. rusage has one that outlives exec: whoever is
// started by a large process would begin with that one's.
std::int64_t peak_rss_bytes() {
  const std::string kilobytes = value_of("/proc/self/status", "VmHWM");  // "1234 kB"
  if (!kilobytes.empty()) return std::stoll(kilobytes) * 1024;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

std::int64_t current_rss_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

void give_back_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

std::int64_t total_memory_bytes() {
  const std::int64_t machine = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  std::ifstream group("/sys/fs/cgroup/memory.max");  // a number, or "max"
  std::int64_t granted = 0;
  return group >> granted && granted > 0 ? std::min(machine, granted) : machine;
}

std::int64_t available_memory_bytes() {
  std::int64_t available = total_memory_bytes();
  const std::string kilobytes = value_of("/proc/meminfo", "MemAvailable");  // "1234 kB"
  if (!kilobytes.empty()) available = std::min<std::int64_t>(available, std::stoll(kilobytes) * 1024);
  std::ifstream used("/sys/fs/cgroup/memory.current"), granted("/sys/fs/cgroup/memory.max");
  std::int64_t current = 0, most = 0;
  if (granted >> most && used >> current)
    available = std::min(available, std::max<std::int64_t>(0, most - current));
  return available;
}

std::string cpu_name() {
  const std::string name = value_of("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown CPU" : name;
}

int cpu_count() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace hone
