#include "data/tokens.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace hone {
namespace {

// Three blocks and a part, filled in pieces that cross their borders; read across them.
TEST(Tokens, HeldInBlocksReadAsOne) {
  constexpr std::int64_t block = (std::int64_t{8} << 20) / 4;
  Tokens tokens(4);
  std::vector<std::int32_t> piece(300'001);
  while (tokens.size() < 3 * block + 17) {
    std::iota(piece.begin(), piece.end(), static_cast<std::int32_t>(tokens.size()));
    tokens.append(piece);
  }
  EXPECT_LE(tokens.memory_bytes(), 4 * tokens.size() + (std::int64_t{16} << 20));
  std::vector<std::int32_t> window(1000);
  for (const std::int64_t first :
       {std::int64_t{0}, block - 1000, block - 1, 2 * block - 500, 3 * block, tokens.size() - 1000}) {
    tokens.read(first, 1000, window.data());
    for (std::size_t i = 0; i < window.size(); ++i)
      ASSERT_EQ(window[i], static_cast<std::int32_t>(first) + static_cast<std::int32_t>(i)) << first;
  }
}

}  // namespace
}  // namespace hone
