// The checksum of TensorFlow's record files.
#pragma once
#include <cstdint>
#include <string_view>

namespace hone {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4): reflected polynomial 0x82f63b78.
std::uint32_t crc32c(std::string_view data);

// As TFRecord stores it: rotated right by 15 and added to a constant, so that the checksum of data that
// themselves hold checksums does not degenerate.
std::uint32_t masked_crc32c(std::string_view data);

}  // namespace hone
