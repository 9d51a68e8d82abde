#include "file/planes.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "base/random.hpp"
#include "base/types.hpp"

namespace hone {
namespace {

constexpr Elements all_elements[] = {Elements::bytes, Elements::half,  Elements::single,
                                     Elements::pairs, Elements::fours, Elements::eights};

std::vector<float> weights(std::size_t count) {
  Stream stream(stream_key("planes", 1));
  std::vector<float> values(count);
  for (float& x : values) x = 0.02f * stream.normal();
  return values;
}

std::vector<std::byte> bf16_weights(std::size_t count) {
  std::vector<bf16> values;
  for (const float x : weights(count)) values.push_back(to_bf16(x));
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

std::size_t packed_size(std::span<const std::byte> bytes, Elements elements) {
  std::vector<std::byte> packed;
  pack_planes(bytes, elements, packed);
  return packed.size();
}

TEST(Planes, ComeBackAsTheyWere) {
  for (const Elements elements : all_elements)
    for (const std::size_t count : {0u, 1u, 7u, 40000u})
      for (const bool random : {false, true}) {
        const std::size_t size = bytes_of(elements);
        std::vector<std::byte> bytes(count * size), back(bytes.size()), packed, room;
        for (std::size_t i = 0; i < bytes.size(); ++i)
          bytes[i] = static_cast<std::byte>(random ? philox(3, i, 0)[0] : i * i % 251 + i / size);
        pack_planes(bytes, elements, packed);
        ASSERT_TRUE(unpack_planes(packed, elements, back, room));
        EXPECT_EQ(back, bytes) << static_cast<int>(elements) << " x " << count;
        EXPECT_LE(packed.size(), bytes.size() + 8 * 5);
      }
}

// Every bit pattern of 16, so NaNs and denormals too.
TEST(Planes, KeepEveryHalf) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i * 40503);
  const auto bytes = std::as_bytes(std::span(all));
  std::vector<std::byte> packed, back(bytes.size()), room;
  pack_planes(bytes, Elements::half, packed);
  ASSERT_TRUE(unpack_planes(packed, Elements::half, back, room));
  EXPECT_TRUE(std::ranges::equal(back, bytes));
}

TEST(Planes, OfWeightsAreSmaller) {
  const auto half = bf16_weights(1 << 17);
  EXPECT_LT(packed_size(half, Elements::half), half.size() * 67 / 100);
  const auto values = weights(1 << 17);
  const auto single = std::as_bytes(std::span(values));
  EXPECT_LT(packed_size(single, Elements::single), single.size() * 84 / 100);
  std::vector<float> rounded;  // bf16 kept in f32
  for (const float x : values) rounded.push_back(to_f32(to_bf16(x)));
  EXPECT_LT(packed_size(std::as_bytes(std::span(rounded)), Elements::single), single.size() * 34 / 100);
}

TEST(Planes, DamagedOnesAreRefusedOrLeadNowhere) {
  const auto bytes = bf16_weights(3000);
  std::vector<std::byte> packed, back(bytes.size()), room;
  pack_planes(bytes, Elements::half, packed);
  for (std::size_t size = 0; size < packed.size(); size += 7)
    EXPECT_FALSE(unpack_planes(std::span(packed).first(size), Elements::half, back, room));
  for (std::size_t at = 0; at < packed.size(); ++at) {
    auto damaged = packed;
    damaged[at] ^= std::byte{0x5a};
    unpack_planes(damaged, Elements::half, back, room);
  }
  EXPECT_FALSE(unpack_planes(packed, Elements::half, std::span(back).first(back.size() - 2), room));
  EXPECT_FALSE(unpack_planes(packed, Elements::single, back, room));
}

}  // namespace
}  // namespace hone
