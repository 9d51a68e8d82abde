#include "base/number.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>

namespace hone {
namespace {

TEST(Number, AFloatIsWrittenAsShortlyAsADouble) {
  EXPECT_EQ(to_text(as_written(0.2f)), "0.2");
  EXPECT_EQ(to_text(as_written(0.9f)), "0.9");
  for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += 65521) {
    const auto value = std::bit_cast<float>(bits);
    ASSERT_EQ(static_cast<float>(as_written(value)), value) << bits;
  }
}

}  // namespace
}  // namespace hone
