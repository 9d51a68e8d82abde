#include "base/types.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace hone {
namespace {

TEST(Types, Bf16RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(to_bf16(1.0f).bits, 0x3f80);
  EXPECT_EQ(to_bf16(1.00390625f).bits, 0x3f80);  // halfway between two: the even one
  EXPECT_EQ(to_bf16(1.01171875f).bits, 0x3f82);
  EXPECT_TRUE(std::isnan(to_f32(to_bf16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isinf(to_f32(to_bf16(std::numeric_limits<float>::max()))));
}

TEST(Types, F16RoundTripsEveryValue) {
  for (unsigned i = 0; i < 65536; ++i) {
    const f16 x{static_cast<std::uint16_t>(i)};
    const float f = to_f32(x);
    if (std::isnan(f)) continue;
    EXPECT_EQ(to_f16(f).bits, x.bits) << i;
  }
  EXPECT_EQ(to_f16(65520.0f).bits, 0x7c00);  // overflows
  EXPECT_EQ(to_f16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(to_f16(0x1p-25f).bits, 0);  // half of the smallest denormal: to even
}

}  // namespace
}  // namespace hone
