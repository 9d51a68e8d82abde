#include "data/windows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace hone {
namespace {

TEST(Windows, APermutationHitsEveryNumberOnce) {
  for (const std::int64_t n : {1, 2, 3, 5, 16, 17, 64, 1000}) {
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < n; ++i) seen.insert(permuted(7, i, n));
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), n);
    EXPECT_EQ(*seen.begin(), 0);
    EXPECT_EQ(*seen.rbegin(), n - 1);
  }
}

TEST(Windows, APassReadsNoTokenTwice) {
  const std::int64_t tokens = 1003, seq = 10, windows = (tokens - seq) / seq;
  for (std::int64_t pass = 0; pass < 3; ++pass) {
    std::vector<int> read(static_cast<std::size_t>(tokens), 0);
    for (std::int64_t i = 0; i < windows; ++i) {
      const std::int64_t start = window_start(3, pass * windows + i, tokens, seq);
      ASSERT_GE(start, 0);
      ASSERT_LT(start, tokens - seq);
      for (std::int64_t t = 0; t < seq; ++t) EXPECT_EQ(++read[static_cast<std::size_t>(start + t)], 1);
    }
  }
}

TEST(Windows, PassesDifferInOrderAndOffset) {
  std::set<std::int64_t> offsets, firsts;
  for (std::int64_t pass = 0; pass < 20; ++pass) {
    offsets.insert(window_start(3, pass * 99, 1003, 10) % 10);
    firsts.insert(window_start(3, pass * 99, 1003, 10) / 10);
  }
  EXPECT_GT(offsets.size(), 4u);
  EXPECT_GT(firsts.size(), 10u);
}

TEST(Windows, DrawnOnesAreOncePerPassByPassAndSeed) {
  constexpr std::int64_t windows = 1009;
  std::vector<std::vector<std::int64_t>> orders;
  for (const std::uint64_t key : {3u, 4u})
    for (std::int64_t pass = 0; pass < 2; ++pass) {
      std::vector<std::int64_t> order;
      for (std::int64_t i = 0; i < windows; ++i)
        order.push_back(drawn_window(key, pass * windows + i, windows));
      EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), static_cast<std::size_t>(windows));
      EXPECT_EQ(*std::max_element(order.begin(), order.end()), windows - 1);
      for (const auto& other : orders) EXPECT_NE(order, other);
      orders.push_back(order);
    }
}

TEST(Windows, TheShortestTextHasOneWindow) {
  for (std::int64_t sample = 0; sample < 5; ++sample) EXPECT_EQ(window_start(1, sample, 17, 16), 0);
}

}  // namespace
}  // namespace hone
