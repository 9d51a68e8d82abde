// Horizontal bars, whole or in segments.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hone/report.hpp"
#include "report/plot.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

constexpr int kRow = 30, kBarHeight = 18;
constexpr std::size_t kMostNameColumns = 36;

double shown_value(double v) { return std::isfinite(v) && v > 0 ? v : 0; }

double length_of(const Bar& bar) {
  double sum = 0;
  for (const auto& s : bar.segments) sum += shown_value(s.value);
  return sum;
}

// One entry for each name of a segment, in the order of their first use; its place is its colour.
std::vector<LegendEntry> colours_of(const BarPlot& plot) {
  std::vector<LegendEntry> entries;
  for (const auto& bar : plot.bars) {
    for (const auto& s : bar.segments) {
      const bool known =
          std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return e.text == s.name; });
      if (!known) entries.push_back({s.name, static_cast<int>(entries.size()) % kPlotColours});
    }
  }
  return entries;
}

struct Scale {
  double left, pixels, whole;
  bool track;  // the whole is drawn behind the bar, so the label stands behind its end
};

std::string draw_bar(const Bar& bar, const std::vector<LegendEntry>& colours, const Scale& scale,
                     double top) {
  std::string s;
  double x = scale.left;
  for (const auto& segment : bar.segments) {
    const double share = shown_value(segment.value) / scale.whole;
    const double width = std::min(share * scale.pixels, scale.left + scale.pixels - x);
    if (!(width > 0)) continue;
    const auto colour =
        std::find_if(colours.begin(), colours.end(), [&](const auto& e) { return e.text == segment.name; });
    // Neighbours are told apart by a hair of background as well as by hue.
    const double gap = bar.segments.size() > 1 && width > 3 ? 1.5 : 0;
    s += fmt::format(R"(<rect class="f{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" rx="2">)"
                     "<title>{} {:.1f} %</title></rect>",
                     colour->colour, x, top, std::max(1.0, width - gap), kBarHeight,
                     escape_markup(segment.name.empty() ? bar.name : segment.name), 100 * share);
    x += width;
  }
  const double label_x = (scale.track ? scale.left + scale.pixels : x) + 8;
  return s +
         fmt::format(R"(<text x="{:.1f}" y="{:.1f}">{}</text>)", label_x, top + 13,
                     escape_markup(bar.label)) +
         "\n";
}

}  // namespace

std::string svg_bar_plot(const BarPlot& plot) {
  const auto colours = colours_of(plot);
  int name_width = 0, label_width = 0;
  double longest = 0;
  bool segmented = false;
  for (const auto& bar : plot.bars) {
    name_width = std::max(name_width, text_pixels(shortened(bar.name, kMostNameColumns)));
    label_width = std::max(label_width, text_pixels(bar.label));
    longest = std::max(longest, length_of(bar));
    segmented = segmented || bar.segments.size() > 1;
  }
  const int head = plot.title.empty() ? 0 : 30;
  const Legend legend = segmented ? draw_legend(colours, 0, head, plot.width) : Legend{};
  const int top = head + legend.height + (segmented ? 6 : 0);

  const int rows = static_cast<int>(plot.bars.size());
  std::string svg = open_svg(plot.width, top + std::max(1, rows) * kRow, plot.title) + legend.svg;
  const double left = name_width + 12.0, pixels = std::max(20.0, plot.width - left - label_width - 12);
  const double whole = plot.whole > 0 ? plot.whole : longest > 0 ? longest : 1;
  for (int i = 0; i < rows; ++i) {
    const Bar& bar = plot.bars[static_cast<std::size_t>(i)];
    const double y = top + i * kRow + (kRow - kBarHeight) / 2.0;
    svg += fmt::format(R"(<text class="soft end" x="{}" y="{:.1f}">{}</text>)", name_width, y + 13,
                       escape_markup(shortened(bar.name, kMostNameColumns)));
    if (plot.whole > 0) {
      svg += fmt::format(R"(<rect class="track" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" rx="2"/>)",
                         left, y, pixels, kBarHeight);
    }
    svg += draw_bar(bar, colours, {left, pixels, whole, plot.whole > 0}, y);
  }
  if (rows == 0) svg += fmt::format(R"(<text class="soft" x="0" y="{}">no data</text>)", top + 18);
  return svg + "\n</svg>\n";
}

}  // namespace hone
