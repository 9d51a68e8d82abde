// Half-quadratic lines: what they gain, and what they leave as it is.
#include "compress/hqq.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"

namespace hone {
namespace {

constexpr std::int64_t rows = 24, columns = 160;  // a row's last group is half of one

// Of few large weights among many small ones, as trained rows have them.
std::vector<float> drawn() {
  Stream stream(stream_key("hqq", 1));
  std::vector<float> w(rows * columns);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = (i % 21 == 0 ? 0.3f : 0.1f) * stream.normal();
  return w;
}

double error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - b[i]);
  return sum;
}

double error_of(const std::vector<float>& group, const Line& line, const Grid& grid) {
  std::vector<float> back;
  for (const float x : group) back.push_back(line.value(line.code(x, grid.levels())));
  return error(group, back);
}

TEST(Hqq, CodesErrLessThanThoseOfTheWholeRange) {
  ThreadPool pool(2);
  const std::vector<float> w = drawn();
  for (const int bits : {2, 3, 4}) {
    const Grid grid{.bits = bits, .group = 64};
    EXPECT_LT(error(w, hqq(w, rows, columns, grid, {}, pool).values()),
              0.98 * error(w, round_to_nearest(w, rows, columns, grid, pool).values()))
        << bits << " bits";
  }
}

TEST(Hqq, NoGroupErrsMoreAndScalesStay) {
  const std::vector<float> w = drawn();
  const Grid grid{.bits = 3, .group = 32};
  for (auto first = w.begin(); first != w.end(); first += 32) {
    const std::vector<float> group(first, first + 32);
    const Line line = half_quadratic_line(group, grid), nearest = whole_range(group, grid);
    EXPECT_LE(error_of(group, line, grid), error_of(group, nearest, grid));
    EXPECT_EQ(line.scale, nearest.scale);
  }
}

// One value far off: the minimum follows the many, not the mean.
TEST(Hqq, FewLargeErrorsAreBorne) {
  const Grid grid{.bits = 2, .group = 64};
  std::vector<float> group;
  for (int i = 0; i < 62; ++i) group.push_back(0.3f + 1.0f * static_cast<float>(i % 3));
  group.push_back(0.0f), group.push_back(3.0f);  // codes of the whole range stand at 0, 1, 2 and 3
  const Line line = half_quadratic_line(group, grid);
  EXPECT_NEAR(line.minimum, 0.3f, 0.02f);
  EXPECT_LT(error_of(group, line, grid), 0.2 * error_of(group, whole_range(group, grid), grid));
}

TEST(Hqq, CodesAboutZeroAreThoseOfTheWholeRange) {
  ThreadPool pool(1);
  const Grid grid{.bits = 4, .group = 64, .symmetric = true};
  const CodedMatrix q = hqq(drawn(), rows, columns, grid, {}, pool),
                    nearest = round_to_nearest(drawn(), rows, columns, grid, pool);
  EXPECT_EQ(q.codes, nearest.codes);
  EXPECT_EQ(q.scales, nearest.scales);
  EXPECT_EQ(q.minima, nearest.minima);
}

TEST(Hqq, GroupsOfOneValueKeepIt) {
  for (const float value : {0.0f, 0.5f, -0.25f})
    for (const bool symmetric : {false, true}) {
      const std::vector<float> group(64, value);
      const Grid grid{.bits = 3, .group = 64, .symmetric = symmetric};
      const Line line = half_quadratic_line(group, grid);
      EXPECT_NEAR(line.value(line.code(value, grid.levels())), value, 1e-3) << value << symmetric;
    }
}

TEST(Hqq, ThreadsChangeNothing) {
  ThreadPool one(1), three(3);
  const Grid grid{.bits = 2, .group = 32};
  const CodedMatrix a = hqq(drawn(), rows, columns, grid, {}, one),
                    b = hqq(drawn(), rows, columns, grid, {}, three);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.minima, b.minima);
}

}  // namespace
}  // namespace hone
