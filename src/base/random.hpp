// Counter-based random numbers: a value is a pure function of (key, counter), so there is no state to save
// and no order to keep. Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace hone {

// Philox4x32-10: 128 random bits of a 64-bit key and a 128-bit counter.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high);

// The key of a stream: a hash of the name of what is drawn (a parameter, a use of dropout), mixed with the
// seed.
std::uint64_t stream_key(std::string_view name, std::uint64_t seed);

// Draws in order from one stream; for initialisers and sampling, where an order is natural.
class Stream {
 public:
  explicit Stream(std::uint64_t key) : key_(key) {}
  std::uint32_t bits();
  std::uint64_t below(std::uint64_t n);  // uniform in [0, n), n > 0
  double uniform();                      // in [0, 1)
  float normal();                        // mean 0, deviation 1 (Box-Muller)

 private:
  std::uint64_t key_, counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int left_ = 0;
  bool has_spare_ = false;
  float spare_ = 0;
};

}  // namespace hone
