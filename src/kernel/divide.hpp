// Whole-number division for cutting work into tasks.
#pragma once
#include <cstdint>

namespace hone::kernel {

constexpr std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }
constexpr std::int64_t round_up(std::int64_t n, std::int64_t to) { return divide_up(n, to) * to; }

}  // namespace hone::kernel
