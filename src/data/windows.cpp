#include "data/windows.hpp"

#include <algorithm>

#include "base/random.hpp"

namespace hone {
namespace {

std::int64_t below(std::uint64_t key, std::uint64_t counter, std::int64_t n) {
  const auto bits = philox(key, counter, 1);
  const std::uint64_t wide = (static_cast<std::uint64_t>(bits[0]) << 32) | bits[1];
  return static_cast<std::int64_t>((static_cast<unsigned __int128>(wide) * static_cast<std::uint64_t>(n)) >>
                                   64);
}

std::uint64_t key_of_pass(std::uint64_t key, std::int64_t pass) {
  return key ^ (static_cast<std::uint64_t>(pass) * 0x9E3779B97F4A7C15ull);
}

}  // namespace

std::int64_t permuted(std::uint64_t key, std::int64_t i, std::int64_t n) {
  int half_bits = 1;
  while ((std::int64_t{1} << (2 * half_bits)) < n) ++half_bits;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  auto x = static_cast<std::uint64_t>(i);
  do {
    std::uint64_t left = x >> half_bits, right = x & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t mixed = philox(key, right, 2 + round)[0] & mask;
      const std::uint64_t swapped = left ^ mixed;
      left = right;
      right = swapped;
    }
    x = (left << half_bits) | right;
  } while (x >= static_cast<std::uint64_t>(n));
  return static_cast<std::int64_t>(x);
}

std::int64_t window_start(std::uint64_t key, std::int64_t sample, std::int64_t tokens, std::int64_t seq) {
  const std::int64_t starts = tokens - seq;
  const std::int64_t windows = std::max<std::int64_t>(1, starts / seq);  // of a pass
  const std::uint64_t pass_key = key_of_pass(key, sample / windows);
  const std::int64_t slack = starts - (windows - 1) * seq;  // offsets at which all windows still fit
  return below(pass_key, 0, slack) + permuted(pass_key, sample % windows, windows) * seq;
}

std::int64_t drawn_window(std::uint64_t key, std::int64_t sample, std::int64_t windows) {
  return permuted(key_of_pass(key, sample / windows), sample % windows, windows);
}

}  // namespace hone
