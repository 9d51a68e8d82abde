#include "file/planes.hpp"

#include <cassert>

namespace hone {

std::vector<std::byte> PlanePacker::pack(std::span<const std::byte> bytes, std::size_t element_bytes) {
  assert(element_bytes > 0 && bytes.size() % element_bytes == 0);
  std::vector<std::byte> packed;
  plane_.resize(bytes.size() / element_bytes);
  for (std::size_t plane = 0; plane < element_bytes; ++plane) {
    for (std::size_t i = 0; i < plane_.size(); ++i) plane_[i] = bytes[i * element_bytes + plane];
    compressor_.append(plane_, packed);
  }
  return packed;
}

void PlaneUnpacker::unpack(std::span<const std::byte> packed, std::size_t element_bytes,
                           std::span<std::byte> out, const std::string& where) {
  assert(element_bytes > 0 && out.size() % element_bytes == 0);
  planes_.resize(out.size());
  decompressor_.read(packed, planes_, where);
  const std::size_t elements = out.size() / element_bytes;
  for (std::size_t plane = 0; plane < element_bytes; ++plane)
    for (std::size_t i = 0; i < elements; ++i) out[i * element_bytes + plane] = planes_[plane * elements + i];
}

}  // namespace hone
