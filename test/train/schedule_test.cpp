// Values by hand: a rise in equal parts, the peak at step `warmup`, `least` at the last step.
#include "hone/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "temporary_folder.hpp"
#include "train/run_schedule.hpp"

namespace hone {
namespace {

template <class Schedule>
std::vector<float> rates(const Schedule& lr, std::int64_t steps) {
  std::vector<float> all;
  for (std::int64_t n = 0; n < steps; ++n) all.push_back(lr(n));
  return all;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_FLOAT_EQ(found[i], expected[i]) << "step " << i;
}

TEST(Schedule, LinearFallsInEqualPartsToTheLastStep) {
  expect_near(rates(Linear{.peak = 8, .warmup = 3, .steps = 8, .least = 4}, 10),
              {2, 4, 6, 8, 7, 6, 5, 4, 4, 4});
}

TEST(Schedule, CosineIsHalfWayInTheMiddle) {  // cos of 0, 60, 90, 120 and 180 degrees
  expect_near(rates(Cosine{.peak = 5, .warmup = 1, .steps = 8, .least = 1}, 9),
              {2.5f, 5, 4.7320508f, 4, 3, 2, 1.2679492f, 1, 1});
}

TEST(Schedule, ConstantRisesAndStays) {
  expect_near(rates(Constant{.peak = 3, .warmup = 2}, 5), {1, 2, 3, 3, 3});
}

TEST(Schedule, WsdStaysThenFallsByOneMinusRoot) {  // of shares 0, 1/4, 4/9 .. of the way
  expect_near(rates(WarmupStableDecay{.peak = 4, .warmup = 1, .steps = 8, .least = 1, .decay = 4}, 9),
              {2, 4, 4, 4, 2.5f, 4 - 3 * 0.70710678f, 4 - 3 * 0.86602540f, 1, 1});
  const auto fifth = rates(WarmupStableDecay{.peak = 1, .steps = 100}, 100);
  EXPECT_EQ(std::count(fifth.begin(), fifth.end(), 1.0f), 80);
  EXPECT_EQ(fifth[99], 0);
  expect_near(rates(WarmupStableDecay{.peak = 2, .steps = 1}, 1), {2});
}

TEST(Schedule, TheLastStepHasTheLeastRateItself) {
  for (const std::int64_t steps : {2, 3, 7, 1000}) {
    EXPECT_EQ((Cosine{.peak = 3e-3f, .steps = steps, .least = 1e-3f}(steps - 1)), 1e-3f);
    EXPECT_EQ((Linear{.peak = 3e-3f, .steps = steps, .least = 1e-7f}(steps - 1)), 1e-7f);
    EXPECT_EQ((Cosine{.peak = 3e-3f, .steps = steps}(0)), 3e-3f);
  }
}

TEST(Schedule, WithoutAStepToFallThePeakOrTheRiseIsAllThereIs) {
  expect_near(rates(Cosine{.peak = 2, .steps = 1, .least = 1}, 1), {2});
  expect_near(rates(Linear{.peak = 4, .warmup = 3, .steps = 4, .least = 1}, 4), {1, 2, 3, 4});
  expect_near(rates(Cosine{.peak = 10, .warmup = 9, .steps = 3, .least = 1}, 3), {1, 2, 3});
}

std::vector<std::string> notes(ScheduleKind kind, std::int64_t warmup, float min_lr) {
  TrainingRun run;
  run.schedule = kind;
  run.steps = 50;
  run.warmup = warmup;
  run.min_lr = min_lr;
  return schedule_notes(run);
}

TEST(Schedule, IsFoundByItsName) {
  const auto names = schedules();
  for (const std::string& each : names) EXPECT_EQ(name(schedule_from_name(each)), each);
  EXPECT_EQ(names.size(), 4u);
  EXPECT_EQ(learning_rate(ScheduleKind::wsd, {.peak = 2, .steps = 10, .least = 1, .decay = 4}, 9), 1.0f);
  EXPECT_EQ(learning_rate(ScheduleKind::linear, {.peak = 2, .warmup = 1, .steps = 4}, 0), 1.0f);
  EXPECT_NE(
      error_of(ErrorKind::usage, [] { schedule_from_name("sine"); }).find("constant, linear, cosine or wsd"),
      std::string::npos);
}

TEST(Schedule, WhatItCannotDoIsNoted) {
  EXPECT_TRUE(notes(ScheduleKind::cosine, 48, 1e-4f).empty());
  EXPECT_TRUE(notes(ScheduleKind::constant, 49, 0).empty());
  ASSERT_EQ(notes(ScheduleKind::cosine, 49, 1e-4f).size(), 1u);
  EXPECT_NE(notes(ScheduleKind::linear, 49, 0)[0].find("none is left"), std::string::npos);
  ASSERT_EQ(notes(ScheduleKind::constant, 100, 0).size(), 1u);
  EXPECT_NE(notes(ScheduleKind::cosine, 100, 0)[0].find("--warmup 100 does not end"), std::string::npos);
  EXPECT_NE(notes(ScheduleKind::constant, 0, 1e-4f)[0].find("--min-lr has no effect"), std::string::npos);
}

}  // namespace
}  // namespace hone
