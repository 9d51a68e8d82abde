#include <gtest/gtest.h>

#include <cmath>

#include "hone/report.hpp"
#include "report/markup_check.hpp"
#include "report/ticks.hpp"

namespace hone {
namespace {

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> out;
  for (const auto& t : ticks) out.push_back(t.label);
  return out;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// Well-formed, and no coordinate that a browser would refuse.
void expect_drawable(const std::string& svg) {
  EXPECT_EQ(markup_fault(svg), "") << svg;
  for (const char* bad : {"\"nan", "\"inf", " nan", " inf", "Mnan", "Lnan", "-nan", "-inf"}) {
    EXPECT_EQ(svg.find(bad), std::string::npos) << bad;
  }
}

using Labels = std::vector<std::string>;

TEST(Ticks, AreRoundNumbers) {
  EXPECT_EQ(labels(linear_ticks({0, 10}, 5, false)), (Labels{"0", "2", "4", "6", "8", "10"}));
  EXPECT_EQ(labels(linear_ticks({1.83, 2.31}, 5, false)), (Labels{"1.9", "2.0", "2.1", "2.2", "2.3"}));
  EXPECT_EQ(labels(linear_ticks({0, 1}, 4, false)), (Labels{"0", "0.25", "0.50", "0.75", "1.00"}));
  EXPECT_EQ(labels(linear_ticks({-0.3, 0.3}, 6, false)),
            (Labels{"-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"}));
  EXPECT_EQ(labels(linear_ticks({0, 20000}, 4, true)), (Labels{"0", "5,000", "10,000", "15,000", "20,000"}));
  EXPECT_EQ(labels(linear_ticks({0, 3e6}, 3, true)), (Labels{"0", "1 M", "2 M", "3 M"}));
  EXPECT_EQ(labels(linear_ticks({1, 3}, 9, true)), (Labels{"1", "2", "3"}));
}

TEST(Ticks, LogarithmicOnesArePowersOfTen) {
  EXPECT_EQ(labels(log_ticks({0.5, 60}, 5)), (Labels{"0.5", "1", "2", "5", "10", "20", "50"}));
  EXPECT_EQ(labels(log_ticks({1e-3, 1e3}, 7)), (Labels{"0.001", "0.01", "0.1", "1", "10", "100", "1000"}));
  EXPECT_EQ(labels(log_ticks({1.9, 2.6}, 4)), (Labels{"2.0", "2.2", "2.4", "2.6"}));
  EXPECT_LE(log_ticks({1e-150, 1e150}, 6).size(), 8u);
}

TEST(Ticks, ConstantGetsRoom) {
  for (const double v : {0.0, 2.5, -7.0, 1e149, 5e-324}) {
    const Range r = widened(v, v);
    EXPECT_LT(r.low, v);
    EXPECT_GT(r.high, v);
    EXPECT_GE(linear_ticks(r, 4, false).size(), 2u) << v;
  }
}

TEST(LinePlot, DrawsEverySeriesWithALegend) {
  const auto svg =
      svg_line_plot({.title = "Loss",
                     .x_label = "step",
                     .y_label = "nats",
                     .series = {{"train", {0, 1, 2}, {3, 2, 1.5}}, {"validation", {0, 2}, {3, 1.75}}}});
  expect_drawable(svg);
  EXPECT_EQ(count(svg, "<path class=\"line"), 2u);
  EXPECT_EQ(count(svg, "<circle"), 5u);
  for (const char* text :
       {">Loss<", ">step<", ">nats<", ">train  1.5<", ">validation  1.75<", "prefers-color-scheme"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
}

TEST(LinePlot, DrawsWhatIsHardToScale) {
  const double nan = std::nan(""), inf = INFINITY;
  const std::vector<Series> hard = {{"one point", {5}, {2.5}},         {"nothing", {}, {}},
                                    {"no number", {0, 1}, {nan, nan}}, {"constant", {0, 1, 2}, {2, 2, 2}},
                                    {"zero", {0, 1}, {0, 0}},          {"endless", {0, 1, 2}, {1, inf, -inf}},
                                    {"huge", {0, 1}, {-1e300, 1e300}}, {"large", {0, 1}, {-1e149, 1e149}},
                                    {"tiny", {0, 1}, {0, 5e-324}},     {"unequal", {0, 1, 2}, {1}},
                                    {"same x", {3, 3, 3}, {1, 2, 3}},  {"gap in x", {nan, 1}, {1, 2}}};
  for (const auto& s : hard) {
    for (const bool log_y : {false, true}) {
      SCOPED_TRACE(s.name + (log_y ? " log" : ""));
      expect_drawable(svg_line_plot({.title = s.name, .series = {s}, .log_y = log_y}));
    }
  }
  expect_drawable(svg_line_plot({}));
  expect_drawable(svg_line_plot({.series = hard, .log_y = true}));
  EXPECT_NE(svg_line_plot({.series = {hard[2]}}).find("no data"), std::string::npos);
}

TEST(LinePlot, GapsBreakTheLine) {
  const double nan = std::nan("");
  const auto svg = svg_line_plot({.series = {{"a", {0, 1, 2, 3, 4}, {1, 2, nan, 3, 4}}}});
  const auto path = svg.substr(svg.find("<path class=\"line"));
  EXPECT_EQ(count(path.substr(0, path.find("/>")), "M"), 2u);
}

TEST(LinePlot, ManyPointsStaySmallAndKeepTheirSpike) {
  Series s{"a", {}, {}};
  for (int i = 0; i < 500000; ++i) {
    s.x.push_back(i);
    s.y.push_back(i == 123457 ? 100.0 : i % 7);
  }
  const auto svg = svg_line_plot({.series = {s}});
  EXPECT_LT(svg.size(), 80000u);
  // The spike is the only point in the upper half: the range is 0 to 100 and 4 % of air, from y = 28 to 312.
  EXPECT_NE(svg.find(" 38.5L"), std::string::npos);
}

TEST(LinePlot, FaintSeriesHasTheColourOfTheNext) {
  const auto svg =
      svg_line_plot({.series = {{"", {0, 1}, {1, 2}, true}, {"a", {0, 1}, {1, 2}}, {"b", {0, 1}, {1, 2}}}});
  EXPECT_NE(svg.find("class=\"line faint s0\""), std::string::npos);
  EXPECT_NE(svg.find("class=\"line s0\""), std::string::npos);
  EXPECT_NE(svg.find("class=\"line s1\""), std::string::npos);
  EXPECT_EQ(count(svg, "rx=\"2\""), 2u);  // two legend entries
}

TEST(BarPlot, SegmentsShareColoursByName) {
  const auto svg = svg_bar_plot({.bars = {{"forecast", {{"weights", 1}, {"activations", 3}}, "4 GiB"},
                                          {"used", {{"activations", 3}}, "3 GiB"}}});
  expect_drawable(svg);
  EXPECT_EQ(count(svg, "class=\"f1\""), 3u);  // legend and both bars
  EXPECT_NE(svg.find("<title>activations 75.0 %</title>"), std::string::npos);
}

TEST(BarPlot, DrawsWhatIsHardToScale) {
  const double nan = std::nan("");
  expect_drawable(svg_bar_plot({}));
  expect_drawable(
      svg_bar_plot({.bars = {{"none", {}, ""}, {"nan", {{"", nan}}, "?"}, {"negative", {{"", -1}}, "-1"}}}));
  expect_drawable(svg_bar_plot({.bars = {{"zero", {{"", 0}}, "0"}}}));
  const auto over = svg_bar_plot({.bars = {{"over", {{"", 500}}, "500"}}, .whole = 460});
  expect_drawable(over);
  EXPECT_NE(over.find("108.7 %"), std::string::npos);
}

TEST(Plots, EscapeEveryText) {
  const std::string evil = "<script>\"'&\xff";
  for (const auto& svg :
       {svg_line_plot({.title = evil, .x_label = evil, .y_label = evil, .series = {{evil, {1}, {1}}}}),
        svg_bar_plot({.title = evil, .bars = {{evil, {{evil, 1}, {"b", 2}}, evil}}})}) {
    expect_drawable(svg);
    EXPECT_EQ(svg.find("<script"), std::string::npos);
    EXPECT_NE(svg.find("&lt;script&gt;&quot;&#39;&amp;\ufffd"), std::string::npos);
  }
}

}  // namespace
}  // namespace hone
