// Rounding: nearest codes, lines with less error, errors that others make good.
#include "compress/grid.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "compress/gptq.hpp"

namespace hone {
namespace {

std::vector<float> drawn(std::size_t count, std::uint64_t seed) {
  Stream stream(stream_key("weights", seed));
  std::vector<float> w(count);
  for (float& x : w) x = 0.1f * stream.normal();
  return w;
}

double squared(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

TEST(Grid, AValueGetsTheNearestCode) {
  const Line line{.scale = 0.5f, .minimum = -1};
  EXPECT_EQ(line.code(-1, 8), 0);
  EXPECT_EQ(line.code(0.2f, 8), 2);
  EXPECT_EQ(line.code(0.3f, 8), 3);
  EXPECT_EQ(line.code(99, 8), 7);
  EXPECT_EQ(line.code(-99, 8), 0);
}

TEST(Grid, RoundingErrsByHalfAStepAtMost) {
  ThreadPool pool(2);
  const std::vector<float> w = drawn(8 * 96, 1);
  for (const int bits : {2, 3, 4, 8}) {
    const CodedMatrix q = round_to_nearest(w, 8, 96, {.bits = bits, .group = 32}, pool);
    const std::vector<float> back = q.values();
    for (std::size_t i = 0; i < w.size(); ++i)
      ASSERT_LE(std::abs(back[i] - w[i]), 0.501f * q.scales[i / 32] + 1e-3f) << bits << " bits, " << i;
  }
}

TEST(Grid, ZeroIsACodeWhereCodesAreAboutZero) {
  ThreadPool pool(1);
  std::vector<float> w = drawn(64, 2);
  w[5] = 0;
  const CodedMatrix q = round_to_nearest(w, 1, 64, {.bits = 4, .group = 64, .symmetric = true}, pool);
  EXPECT_EQ(q.values()[5], 0.0f);
}

TEST(Grid, ThreeValuesAboutZeroStayInTwoBits) {
  ThreadPool pool(1);
  std::vector<float> w(64);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = 0.25f * static_cast<float>(static_cast<int>(i % 3) - 1);
  const Grid grid{.bits = 2, .group = 32, .symmetric = true};
  EXPECT_EQ(round_to_nearest(w, 2, 32, grid, pool).values(), w);
  CodedMatrix best = lines_of(w, 2, 32, grid, LineSearch::least_error, pool);
  round_to_lines(w, best, pool);
  EXPECT_EQ(best.values(), w);
}

// Far from zero a group's values use all codes: half a step is of their own range, and of f16's next minimum.
TEST(Grid, AGroupOnOneSideOfZeroHasItsOwnRange) {
  ThreadPool pool(1);
  std::vector<float> w = drawn(64, 12);
  for (float& x : w) x += 2;
  const auto [low, high] = std::ranges::minmax_element(w);
  const Grid grid{.bits = 4, .group = 64};
  const float half_step = (*high - *low) / 30, f16_step = 2.0f / 1024;
  CodedMatrix best = lines_of(w, 1, 64, grid, LineSearch::least_error, pool);
  round_to_lines(w, best, pool);
  const CodedMatrix plain = round_to_nearest(w, 1, 64, grid, pool);
  for (std::size_t i = 0; i < w.size(); ++i)
    EXPECT_LE(std::abs(plain.values()[i] - w[i]), half_step + f16_step) << i;
  EXPECT_LE(squared(w, best.values()), squared(w, plain.values()));
}

// Where f16 has one digit left, a scale that is rounded down would cut off a third of the largest value.
TEST(Grid, ScalesBelowTheNormalNumbersOfF16CutNothingOff) {
  ThreadPool pool(1);
  constexpr float step = 0x1p-24f;
  for (const bool symmetric : {false, true}) {
    std::vector<float> w(32);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = 1.4f * 127 * step * (i % 2 ? 1.0f : -0.5f);
    const CodedMatrix q = round_to_nearest(w, 1, 32, {.bits = 8, .group = 32, .symmetric = symmetric}, pool);
    for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(q.values()[i], w[i], 1.01f * step) << i;
  }
}

TEST(Grid, ATailIsAGroupOfItsOwn) {
  ThreadPool pool(1);
  const CodedMatrix q = round_to_nearest(drawn(2 * 80, 3), 2, 80, {.bits = 4, .group = 64}, pool);
  EXPECT_EQ(q.groups(), 2);
  EXPECT_EQ(q.scales.size(), 4u);
}

TEST(Grid, TheBestLineErrsLessThanTheWholeRange) {
  ThreadPool pool(2);
  const std::vector<float> w = drawn(16 * 128, 4);
  for (const bool symmetric : {false, true}) {
    const Grid grid{.bits = 3, .group = 64, .symmetric = symmetric};
    CodedMatrix q = lines_of(w, 16, 128, grid, LineSearch::least_error, pool);
    round_to_lines(w, q, pool);
    EXPECT_LT(squared(q.values(), w), 0.9 * squared(round_to_nearest(w, 16, 128, grid, pool).values(), w));
  }
}

// Inputs whose channels go together: x = A z with few z.
Moments correlated(std::int64_t width) {
  const std::int64_t hidden = width / 4, positions = 400;
  const std::vector<float> mix = drawn(static_cast<std::size_t>(width * hidden), 7);
  Stream stream(stream_key("inputs", 9));
  Moments m{.width = width,
            .positions = positions,
            .sum = std::vector<float>(static_cast<std::size_t>(width * width))};
  std::vector<float> z(static_cast<std::size_t>(hidden)), x(static_cast<std::size_t>(width));
  for (std::int64_t p = 0; p < positions; ++p) {
    for (float& v : z) v = stream.normal();
    for (std::int64_t i = 0; i < width; ++i) {
      x[static_cast<std::size_t>(i)] = 0.05f * stream.normal();
      for (std::int64_t k = 0; k < hidden; ++k)
        x[static_cast<std::size_t>(i)] +=
            mix[static_cast<std::size_t>(i * hidden + k)] * z[static_cast<std::size_t>(k)];
    }
    for (std::int64_t i = 0; i < width; ++i)
      for (std::int64_t j = 0; j < width; ++j)
        m.sum[static_cast<std::size_t>(i * width + j)] +=
            x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(j)];
  }
  return m;
}

TEST(Gptq, ErrorsAreMadeGoodByOtherWeights) {
  ThreadPool pool(2);
  const Moments m = correlated(192);  // more than one block of columns
  const std::vector<float> w = drawn(24 * 192, 5);
  const Grid grid{.bits = 3, .group = 64};
  const auto error = [&](const CodedMatrix& q) {
    return output_error(w, q.values(), 24, m, best_isa(), pool);
  };
  const double nearest = error(round_to_nearest(w, 24, 192, grid, pool));
  EXPECT_LT(error(gptq(w, 24, m, grid, {}, best_isa(), pool)), 0.5 * nearest);
  EXPECT_LT(error(gptq(w, 24, m, grid, {.ordered = false}, best_isa(), pool)), 0.5 * nearest);
}

// Where no channel says anything of another, each weight goes to its nearest code.
TEST(Gptq, WithoutCorrelationsItRoundsToNearest) {
  ThreadPool pool(2);
  Moments m{.width = 64, .positions = 1, .sum = std::vector<float>(64 * 64)};
  for (std::size_t i = 0; i < 64; ++i) m.sum[i * 65] = 1;
  const std::vector<float> w = drawn(4 * 64, 6);
  const Grid grid{.bits = 4, .group = 32};
  CodedMatrix nearest = lines_of(w, 4, 64, grid, LineSearch::least_error, pool, std::vector<float>(64, 1));
  round_to_lines(w, nearest, pool);
  EXPECT_EQ(gptq(w, 4, m, grid, {}, best_isa(), pool).codes, nearest.codes);
}

TEST(Gptq, ThreadsChangeNothing) {
  const Moments m = correlated(160);
  const std::vector<float> w = drawn(40 * 160, 8);
  ThreadPool one(1), three(3);
  const Grid grid{.bits = 2, .group = 32};
  EXPECT_EQ(gptq(w, 40, m, grid, {}, best_isa(), one).codes,
            gptq(w, 40, m, grid, {}, best_isa(), three).codes);
}

// What multiplies nothing but zeros takes no part of the range from what matters.
TEST(Gptq, AColumnThatIsNeverReadChangesNoOther) {
  ThreadPool pool(1);
  Moments m{.width = 32, .positions = 64, .sum = std::vector<float>(32 * 32)};
  for (std::size_t i = 1; i < 32; ++i) m.sum[i * 32 + i] = 64;
  std::vector<float> w = drawn(2 * 32, 13);
  const Grid grid{.bits = 4, .group = 32};
  const std::vector<float> small = gptq(w, 2, m, grid, {}, best_isa(), pool).values();
  w[0] = 100, w[32] = -100;
  const std::vector<float> large = gptq(w, 2, m, grid, {}, best_isa(), pool).values();
  for (std::size_t i = 0; i < w.size(); ++i)
    if (i % 32 != 0) EXPECT_EQ(small[i], large[i]) << i;
}

// A channel that was always zero, and a sample with fewer positions than channels.
TEST(Gptq, ASingularSampleIsDamped) {
  ThreadPool pool(1);
  Moments m{.width = 32, .positions = 1, .sum = std::vector<float>(32 * 32)};
  for (std::size_t i = 0; i < 31; ++i)
    for (std::size_t j = 0; j < 31; ++j) m.sum[i * 32 + j] = 1;
  for (const float x : gptq(drawn(2 * 32, 9), 2, m, {.bits = 4, .group = 32}, {}, best_isa(), pool).values())
    EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace hone
