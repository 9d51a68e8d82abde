#include "machine/caches.hpp"

#include <unistd.h>

#include <algorithm>

namespace hone {

std::int64_t second_level_cache_bytes() {
  static const std::int64_t bytes = [] {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const std::int64_t reported = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    const std::int64_t reported = 0;
#endif
    const std::int64_t kilobyte = 1024;
    return reported <= 0 ? 512 * kilobyte : std::clamp(reported, 256 * kilobyte, 2048 * kilobyte);
  }();
  return bytes;
}

}  // namespace hone
