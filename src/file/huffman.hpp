// Bytes in a canonical Huffman code (Huffman, 1952) of at most 11 bits, cut into four streams that are
// decoded side by side: what one waits for, the others do. Of exponents of weights it is within a hundredth
// of their entropy, and decodes some ten times as fast as it is read from a disk.
//
//   std::vector<std::byte> packed;
//   huffman_pack(plane, packed);                    // appends
//   if (!huffman_unpack(packed, plane)) refuse();   // not what was packed
//
// Layout: the code's lengths, four bits for each of 256 bytes; the bytes of streams 0 to 2 (u32 each); the
// streams, each of a quarter of the bytes, from the low bits of a byte to its high ones; 8 bytes of zero.
// Nothing of it can lead out of either span; whether the bytes are the right ones is for a checksum to tell.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace hone {

// Of two or more different bytes.
void huffman_pack(std::span<const std::byte> bytes, std::vector<std::byte>& out);
// Fills `out`, as many as were packed. False for what was not made by huffman_pack.
bool huffman_unpack(std::span<const std::byte> packed, std::span<std::byte> out);

}  // namespace hone
