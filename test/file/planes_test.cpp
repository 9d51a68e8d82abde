#include "file/planes.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "base/random.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::vector<float> weights(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = 0.02f * (static_cast<float>(philox(3, i, 0)[0]) / 2147483648.0f - 1.0f);
  return values;
}

TEST(Planes, ComeBackAsTheyWere) {
  PlanePacker packer;
  PlaneUnpacker unpacker;
  for (const std::size_t element : {1u, 2u, 3u, 4u, 8u})
    for (const std::size_t count : {0u, 1u, 7u, 300000u}) {
      std::vector<std::byte> bytes(count * element), back(bytes.size());
      for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(i * i % 251 + i / element);
      const auto packed = packer.pack(bytes, element);
      unpacker.unpack(packed, element, back, "packed");
      EXPECT_EQ(back, bytes) << element << " x " << count;
    }
}

TEST(Planes, OfWeightsAreSmallerThanTheirFrame) {
  const std::vector<float> values = weights(1 << 17);
  const auto bytes = std::as_bytes(std::span(values));
  const auto packed = PlanePacker().pack(bytes, sizeof(float)), whole = PlanePacker().pack(bytes, 1);
  EXPECT_LT(packed.size(), bytes.size() * 88 / 100);
  EXPECT_LT(packed.size(), whole.size());
}

TEST(Planes, DamagedAndCutOnesAreRefusedWithTheirPlace) {
  const std::vector<float> values(1000, 1.5f);
  const auto bytes = std::as_bytes(std::span(values));
  const auto packed = PlanePacker().pack(bytes, sizeof(float));
  std::vector<std::byte> back(bytes.size());
  const auto refused = [&](std::span<const std::byte> what, std::span<std::byte> out) {
    const auto message =
        error_of(ErrorKind::input, [&] { PlaneUnpacker().unpack(what, sizeof(float), out, "state, wte"); });
    EXPECT_EQ(message.rfind("state, wte: ", 0), 0u) << message;
  };
  for (std::size_t size = 0; size < packed.size(); ++size) refused(std::span(packed).first(size), back);
  std::vector<std::byte> damaged = packed;
  damaged[0] ^= std::byte{1};
  refused(damaged, back);
  refused(packed, std::span(back).first(back.size() - 4));  // fewer than were packed
  std::vector<std::byte> longer(bytes.size() + 4);
  refused(packed, longer);
}

}  // namespace
}  // namespace hone
