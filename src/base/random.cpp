#include "base/random.hpp"

#include <cmath>
#include <numbers>

namespace hone {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low,
                                    std::uint64_t counter_high) {
  auto lo = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  auto hi = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  std::array<std::uint32_t, 4> c{lo(counter_low), hi(counter_low), lo(counter_high), hi(counter_high)};
  std::uint32_t k0 = lo(key), k1 = hi(key);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
    c = {hi(b) ^ c[1] ^ k0, lo(b), hi(a) ^ c[3] ^ k1, lo(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

std::uint64_t stream_key(std::string_view name, std::uint64_t seed) {
  std::uint64_t h = 0xcbf29ce484222325ull ^ (seed * 0x9E3779B97F4A7C15ull);  // FNV-1a over the name ...
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;  // ... and splitmix64's finish
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  return h ^ (h >> 31);
}

std::uint32_t Stream::bits() {
  if (left_ == 0) {
    block_ = philox(key_, counter_++, 0);
    left_ = 4;
  }
  return block_[static_cast<std::size_t>(4 - left_--)];
}

std::uint64_t Stream::below(std::uint64_t n) {
  const std::uint64_t wide = (static_cast<std::uint64_t>(bits()) << 32) | bits();
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(wide) * n) >> 64);
}

double Stream::uniform() {
  const std::uint64_t wide = (static_cast<std::uint64_t>(bits()) << 32) | bits();
  return static_cast<double>(wide >> 11) * 0x1p-53;
}

float Stream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  has_spare_ = true;
  spare_ = static_cast<float>(radius * std::sin(angle));
  return static_cast<float>(radius * std::cos(angle));
}

}  // namespace hone
