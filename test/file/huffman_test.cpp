#include "file/huffman.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace hone {
namespace {

// Byte b some 2^(b / 8) times: codes that would be longer than the longest.
std::vector<std::byte> skewed() {
  std::vector<std::byte> bytes;
  for (int b = 0; b < 256; ++b)
    bytes.insert(bytes.end(), std::size_t{1} << (b / 16), static_cast<std::byte>(b));
  return bytes;
}

std::vector<std::byte> some(std::size_t count, std::uint64_t of) {
  Stream stream(stream_key("huffman", of));
  std::vector<std::byte> bytes(count);
  for (std::byte& b : bytes) b = static_cast<std::byte>(stream.below(of) * stream.below(of) / of);
  bytes.front() = std::byte{200};  // two at least
  return bytes;
}

TEST(Huffman, ComesBackAsItWas) {
  for (const std::size_t count : {2, 3, 4, 5, 7, 8, 9, 63, 1001, 131072})
    for (const std::uint64_t of : {1, 2, 20, 256}) {
      const auto bytes = some(count, of);
      std::vector<std::byte> packed, back(count);
      huffman_pack(bytes, packed);
      ASSERT_TRUE(huffman_unpack(packed, back)) << count << " of " << of;
      EXPECT_EQ(back, bytes) << count << " of " << of;
    }
  std::vector<std::byte> packed, back(skewed().size());
  huffman_pack(skewed(), packed);
  ASSERT_TRUE(huffman_unpack(packed, back));
  EXPECT_EQ(back, skewed());
}

// Of the binomial's tail: near to the entropy of what is packed.
TEST(Huffman, TakesLittleMoreThanTheEntropy) {
  std::vector<std::byte> bytes;  // geometric, of 2 bits
  for (int b = 0; b < 9; ++b) bytes.insert(bytes.end(), std::size_t{65536} >> b, static_cast<std::byte>(b));
  std::vector<std::byte> packed;
  huffman_pack(bytes, packed);
  EXPECT_LT(packed.size() * 8, bytes.size() * 2 + 4000);
}

// Whatever stands there, nothing is read or written elsewhere: the sanitizers and the spans say so.
TEST(Huffman, DamagedOnesLeadNowhere) {
  const auto bytes = some(3000, 20);
  std::vector<std::byte> packed, back(bytes.size());
  huffman_pack(bytes, packed);
  for (std::size_t size = 0; size < packed.size(); size += size < 200 ? 1 : 37) {
    const std::vector<std::byte> cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
    huffman_unpack(cut, back);
  }
  EXPECT_FALSE(huffman_unpack(std::span(packed).first(100), back));
  for (std::size_t at = 0; at < packed.size(); ++at) {
    std::vector<std::byte> damaged = packed;
    damaged[at] ^= std::byte{0xff};
    huffman_unpack(damaged, back);
  }
  std::vector<std::byte> no_code = packed;
  std::fill_n(no_code.begin(), 128, std::byte{0x11});
  EXPECT_FALSE(huffman_unpack(no_code, back));
}

}  // namespace
}  // namespace hone
