#include <gtest/gtest.h>

#include <cmath>

#include "hone/report.hpp"

namespace hone {
namespace {

TEST(Format, Bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(812), "812 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(1.25 * (1u << 30)), "1.25 GiB");
  EXPECT_EQ(human_bytes(150.0 * (1 << 20)), "150 MiB");
  EXPECT_EQ(human_bytes(1023.9 * (1 << 20)), "1.00 GiB");  // never "1024 MiB"
  EXPECT_EQ(human_bytes(-2048), "-2.00 KiB");
  EXPECT_EQ(human_bytes(1e30).substr(human_bytes(1e30).size() - 3), "EiB");
}

TEST(Format, Durations) {
  EXPECT_EQ(human_duration(0), "0 s");
  EXPECT_EQ(human_duration(2.5e-6), "2.50 us");
  EXPECT_EQ(human_duration(0.00125), "1.25 ms");
  EXPECT_EQ(human_duration(0.9999), "1.00 s");
  EXPECT_EQ(human_duration(4.2), "4.20 s");
  EXPECT_EQ(human_duration(59.96), "1 m 00 s");
  EXPECT_EQ(human_duration(125), "2 m 05 s");
  EXPECT_EQ(human_duration(3599.7), "1 h 00 m");
  EXPECT_EQ(human_duration(11220), "3 h 07 m");
  EXPECT_EQ(human_duration(2 * 86400 + 4 * 3600), "2 d 04 h");
}

TEST(Format, CountsAndRates) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(9216), "9,216");
  EXPECT_EQ(human_count(99999), "99,999");
  EXPECT_EQ(human_count(100000), "100 k");
  EXPECT_EQ(human_count(124439808), "124 M");
  EXPECT_EQ(human_count(999600), "1.00 M");
  EXPECT_EQ(human_rate(0.416, "steps/s"), "0.42 steps/s");
  EXPECT_EQ(human_rate(1666.4, "tok/s"), "1,666 tok/s");
  EXPECT_EQ(human_rate(1.25e6, "tok/s"), "1.25 Mtok/s");
  EXPECT_EQ(human_share(387, 460), "84.1 %");
}

TEST(Format, WhatIsNoNumberSaysSo) {
  const double nan = std::nan(""), inf = INFINITY;
  EXPECT_EQ(human_bytes(nan), "nan");
  EXPECT_EQ(human_duration(inf), "inf");
  EXPECT_EQ(human_count(-inf), "-inf");
  EXPECT_EQ(human_rate(nan, "tok/s"), "nan tok/s");
  EXPECT_EQ(human_share(1, 0), "-");
  EXPECT_EQ(human_share(nan, 1), "-");
}

TEST(Table, AlignsNumbersRightAndNamesLeft) {
  Table t({"op", "time", "share"});
  t.row({"matmul", "405 ms", "62.1 %"}).row({"sm\u00fcthing", "1.2 ms", "-"}).rule().row({"total", "406 ms"});
  EXPECT_EQ(t.to_string(1),
            " op          time   share\n"
            " --------  ------  ------\n"
            " matmul    405 ms  62.1 %\n"
            " sm\u00fcthing  1.2 ms       -\n"
            " --------  ------  ------\n"
            " total     406 ms\n");
}

TEST(Table, OneWordMakesAColumnOfText) {
  Table t({"what", "value"});
  t.row({"heads", "6"}).row({"activation", "gelu"});
  EXPECT_EQ(t.to_string(), "what        value\n----------  -----\nheads       6\nactivation  gelu\n");
}

TEST(Table, WithoutRowsIsItsHeader) { EXPECT_EQ(Table({"a", "bc"}).to_string(), "a  bc\n-  --\n"); }

}  // namespace
}  // namespace hone
