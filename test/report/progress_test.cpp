#include <gtest/gtest.h>

#include <cmath>

#include "hone/report.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

TEST(Progress, DrawsAtOnceThenAtMostTenTimesASecond) {
  Progress p({.steps = 1000, .terminal = true});
  EXPECT_FALSE(p.update({1, 5.0, 100, 0.01}).empty());
  EXPECT_TRUE(p.update({2, 5.0, 100, 0.02}).empty());
  EXPECT_TRUE(p.update({3, 5.0, 100, 0.10}).empty());
  EXPECT_FALSE(p.update({4, 5.0, 100, 0.111}).empty());
  EXPECT_FALSE(p.update({1000, 5.0, 100, 0.112}).empty());  // the last is always shown
}

TEST(Progress, ShowsAllPartsOn80Columns) {
  Progress p({.steps = 2000, .terminal = true, .width = 80});
  std::string text;
  for (int i = 1; i <= 500; ++i) text = p.update({i, 2.1042, 833, i * 0.5});
  EXPECT_EQ(text, "\rstep  500/2000  [==>        ]   25 %  loss 2.104  1,666 tok/s  4:10  12:30 left");
}

TEST(Progress, KeepsToItsWidthAndDropsTheLeastNeededFirst) {
  for (int width = 1; width < 130; ++width) {
    Progress p({.steps = 2000, .terminal = true, .width = width});
    const std::string text = p.update({500, 2.1, 833, 250});
    EXPECT_LT(static_cast<int>(text_columns(text.substr(1))), width) << text;
    EXPECT_EQ(text.find("loss 2.100") != std::string::npos, width > 26) << text;
  }
}

TEST(Progress, SaysHowManyStepsWereSkipped) {
  Progress p({.steps = 2000, .terminal = true, .width = 100});
  const std::string text = p.update({.step = 500, .loss = 2.1, .tokens = 833, .seconds = 250, .skipped = 3});
  EXPECT_NE(text.find("loss 2.100  3 skipped  "), std::string::npos) << text;
}

TEST(Progress, ShorterLineWipesTheLongerOne) {
  Progress p({.steps = 10, .terminal = true, .width = 62});  // too narrow for a bar
  const auto first = p.update({1, 12345.678, 100, 1});
  const auto second = p.update({2, 1, 100, 2});
  EXPECT_EQ(first.size(), second.size());
  EXPECT_EQ(second.back(), ' ');
}

TEST(Progress, InterruptionAndEnd) {
  Progress p({.steps = 10, .terminal = true, .width = 60});
  EXPECT_EQ(p.interrupt(), "");
  EXPECT_EQ(p.finish(), "");
  const auto line = p.update({1, 1, 100, 0.001});
  const std::string blank(line.size() - 1, ' ');
  EXPECT_EQ(p.interrupt(), "\r" + blank + "\r");
  EXPECT_FALSE(p.update({2, 1, 100, 0.002}).empty());  // redrawn at once
  EXPECT_EQ(p.finish(), "\n");
  EXPECT_EQ(p.finish(), "");
}

TEST(Progress, WholeLinesWhereThereIsNoTerminal) {
  Progress p({.steps = 100, .colour = true, .width = 20});
  int lines = 0;
  for (int i = 1; i <= 100; ++i) {
    const auto text = p.update({i, 2.0, 100, i * 0.25});
    if (text.empty()) continue;
    ++lines;
    EXPECT_EQ(text.find_first_of("\r\x1b["), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), text.size() - 1);
  }
  EXPECT_EQ(lines, 6);  // at 0.25, 5.25 ... 20.25 and the end
  EXPECT_EQ(p.finish(), "");
}

TEST(Progress, ColourOnlyWhereAsked) {
  Progress plain({.steps = 2, .terminal = true}), coloured({.steps = 2, .colour = true, .terminal = true});
  EXPECT_EQ(plain.update({1, 1, 1, 1}).find('\x1b'), std::string::npos);
  EXPECT_NE(coloured.update({1, 1, 1, 1}).find('\x1b'), std::string::npos);
}

TEST(Progress, PausesCountAsElapsedButNotInTheSpeed) {
  Progress p({.steps = 3, .width = 80});
  p.update({1, 1, 100, 1});
  p.pause_until(61);
  const auto text = p.update({2, 1, 100, 62});
  EXPECT_NE(text.find("  100 tok/s"), std::string::npos) << text;
  EXPECT_NE(text.find("1:02"), std::string::npos) << text;
}

TEST(Progress, ResumedRunCountsOnlyItsOwnSteps) {
  Progress p({.steps = 2000, .first_step = 1000});
  const auto text = p.update({1001, 1, 100, 1});
  EXPECT_NE(text.find("16:39 left"), std::string::npos) << text;  // 999 steps of a second
}

TEST(Progress, SurvivesNanAndNoTime) {
  Progress p({.steps = 0, .terminal = true});
  const auto text = p.update({0, std::nan(""), 0, 0});
  EXPECT_NE(text.find("loss nan"), std::string::npos) << text;
}

}  // namespace
}  // namespace hone
