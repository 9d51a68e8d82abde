#include "report/crc32c.hpp"

#include <array>
#include <bit>

namespace hone {
namespace {

// One byte a lookup: an event is under 100 bytes and comes once a step.
constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> t{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) ? 0x82f63b78u : 0u);
    t[i] = c;
  }
  return t;
}();

}  // namespace

std::uint32_t crc32c(std::string_view data) {
  std::uint32_t c = 0xffffffffu;
  for (const char b : data) c = (c >> 8) ^ kTable[(c ^ static_cast<unsigned char>(b)) & 0xff];
  return ~c;
}

std::uint32_t masked_crc32c(std::string_view data) { return std::rotr(crc32c(data), 15) + 0xa282ead8u; }

}  // namespace hone
