// What block sizes of kernels follow. No result depends on it, and no timing decides it.
#pragma once
#include <cstdint>

namespace hone {

// Of one core, as the CPU reports it: 256 KB to 2 MB; 512 KB where it reports nothing.
std::int64_t second_level_cache_bytes();

}  // namespace hone
