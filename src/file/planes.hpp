// Elements packed without loss, plane by plane: the exponents of all of them, then their signs with the upper
// bits of their mantissas, then what is left, a byte of each element a plane. Exponents of weights are
// some 2.6 bits of their 8; mantissas hardly repeat, and are kept as they are. (Hao et al., 2024, and
// Hershcovitch et al., 2024, pack models in the same way.)
//
//   std::vector<std::byte> packed;
//   pack_planes(bytes, Elements::half, packed);                    // appends
//   std::vector<std::byte> room;
//   if (!unpack_planes(packed, Elements::half, back, room)) refuse();
//
// A plane is a byte that says how it is kept, its length (u32), and so many bytes: as they are; the one byte
// that all of it is; or a Huffman code (file/huffman.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hone {

enum class Elements : std::uint8_t {
  bytes,   // one byte each: codes, text, blocks
  half,    // bf16 and fp16: bits 7 to 14, which are the exponent of bf16; then the sign and bits 0 to 6
  single,  // f32: the exponent; the sign and bits 16 to 22; bits 8 to 15; bits 0 to 7
  pairs,   // whole numbers of 2, 4 and 8 bytes: their bytes, the highest first
  fours,
  eights,
};
std::size_t bytes_of(Elements elements);
bool is_elements(std::uint8_t number);
Elements elements_of(std::string_view dtype);  // as safetensors names them

// bytes: whole elements.
void pack_planes(std::span<const std::byte> bytes, Elements elements, std::vector<std::byte>& out);
// Fills `out`, as much as was packed. False for what pack_planes did not make; whether the bytes are the
// right ones is for a checksum to tell. `room` is memory that may be kept from call to call.
bool unpack_planes(std::span<const std::byte> packed, Elements elements, std::span<std::byte> out,
                   std::vector<std::byte>& room);

}  // namespace hone
