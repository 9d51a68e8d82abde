// Lines over a grid.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hone/report.hpp"
#include "report/plot.hpp"
#include "report/text.hpp"
#include "report/ticks.hpp"

namespace hone {
namespace {

constexpr std::size_t kMostDots = 40;  // with more points than that, a line needs no dots

struct Point {
  double x, y;
};
using Run = std::vector<Point>;  // points that a line joins

struct Curve {
  const Series* series;
  int colour;
  std::vector<Run> runs;
  std::size_t points = 0;
};

// The plotting area in pixels, and the values at its edges.
struct Frame {
  double left, right, top, bottom;
  Range x, y;
  bool log_y;

  double px(double v) const { return left + (right - left) * (v - x.low) / (x.high - x.low); }
  double py(double v) const {
    const double share =
        log_y ? std::log(v / y.low) / std::log(y.high / y.low) : (v - y.low) / (y.high - y.low);
    return bottom - (bottom - top) * share;
  }
};

// Beyond 1e150 a range's width, or a product in a logarithm, would leave what a double can hold.
bool can_show(double v) { return std::isfinite(v) && std::abs(v) < 1e150; }

// The series cut at its gaps, and the colour of each: a faint one has the next one's.
std::vector<Curve> curves_of(const LinePlot& plot) {
  std::vector<Curve> curves;
  int colour = 0;
  for (const auto& s : plot.series) {
    Curve c{&s, colour % kPlotColours, {}, 0};
    if (!s.faint) ++colour;
    bool joined = false;
    for (std::size_t i = 0; i < std::min(s.x.size(), s.y.size()); ++i) {
      const bool shown = can_show(s.x[i]) && can_show(s.y[i]) && (!plot.log_y || s.y[i] > 1e-150);
      if (shown) {
        if (!joined) c.runs.emplace_back();
        c.runs.back().push_back({s.x[i], s.y[i]});
        ++c.points;
      }
      joined = shown;
    }
    curves.push_back(std::move(c));
  }
  return curves;
}

struct Extent {
  Range x, y;
  bool whole_x = true;
};

Extent extent_of(const std::vector<Curve>& curves, bool log_y) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  Extent e{{inf, -inf}, {inf, -inf}};
  for (const auto& c : curves) {
    for (const auto& run : c.runs) {
      for (const auto& p : run) {
        e.x = {std::min(e.x.low, p.x), std::max(e.x.high, p.x)};
        e.y = {std::min(e.y.low, p.y), std::max(e.y.high, p.y)};
        e.whole_x = e.whole_x && p.x == std::floor(p.x);
      }
    }
  }
  e.x = widened(e.x.low, e.x.high);
  e.y = widened(e.y.low, e.y.high);
  // A little air, so that no line runs along the frame.
  if (log_y) {
    const double air = std::pow(e.y.high / e.y.low, 0.04);
    e.y = {e.y.low / air, e.y.high * air};
  } else {
    const double air = 0.04 * (e.y.high - e.y.low);
    e.y = {e.y.low - air, e.y.high + air};
  }
  return e;
}

// A run thinned to what pixels can show: of the points in one pixel column the first, lowest, highest and
// last. A curve of a million steps so costs a few thousand points, and no spike is lost.
Run thinned(const Run& run, const Frame& frame) {
  Run out;
  for (std::size_t i = 0; i < run.size();) {
    const double column = std::floor(frame.px(run[i].x));
    std::size_t end = i, low = i, high = i;
    for (; end < run.size() && std::floor(frame.px(run[end].x)) == column; ++end) {
      if (run[end].y < run[low].y) low = end;
      if (run[end].y > run[high].y) high = end;
    }
    std::size_t keep[] = {i, std::min(low, high), std::max(low, high), end - 1};
    for (std::size_t k = 0; k < 4; ++k) {
      if (k == 0 || keep[k] != keep[k - 1]) out.push_back(run[keep[k]]);
    }
    i = end;
  }
  return out;
}

std::string draw_curve(const Curve& curve, const Frame& frame) {
  std::string path, dots;
  for (const auto& run : curve.runs) {
    const bool with_dots = !curve.series->faint && (run.size() == 1 || curve.points <= kMostDots);
    const Run points = with_dots ? run : thinned(run, frame);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double x = frame.px(points[i].x), y = frame.py(points[i].y);
      path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x, y);
      if (!with_dots) continue;
      dots += fmt::format(
          R"(<circle class="dot f{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}: {:.5g}</title></circle>)",
          curve.colour, x, y, with_commas(points[i].x), points[i].y);
    }
  }
  const char* faint = curve.series->faint ? " faint" : "";
  return fmt::format(R"(<path class="line{} s{}" d="{}"/>)", faint, curve.colour, path) + dots + "\n";
}

std::string draw_axes(const Frame& f, const std::vector<Tick>& x_ticks, const std::vector<Tick>& y_ticks) {
  std::string s;
  for (const auto& t : y_ticks) {
    const double y = f.py(t.at);
    s += fmt::format(R"(<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/>)", f.left, y, f.right);
    s += fmt::format(R"(<text class="soft end" x="{:.1f}" y="{:.1f}">{}</text>)", f.left - 8, y + 4, t.label);
  }
  for (const auto& t : x_ticks) {
    const double x = f.px(t.at);
    s += fmt::format(R"(<path class="axis" d="M{:.1f} {:.1f}v5"/>)", x, f.bottom);
    // A label at the very edge is turned inward rather than cut off.
    const bool at_edge = x + text_pixels(t.label) / 2.0 > f.right + 8;
    s += fmt::format(R"(<text class="soft {}" x="{:.1f}" y="{:.1f}">{}</text>)", at_edge ? "end" : "middle",
                     at_edge ? f.right + 8 : x, f.bottom + 20, t.label);
  }
  return s + fmt::format(R"(<path class="axis" d="M{:.1f} {:.1f}H{:.1f}"/>)", f.left, f.bottom, f.right) +
         "\n";
}

// Beside the last point of each, where there is room; those that would cover each other go below.
std::string draw_labels(const std::vector<Curve>& curves, const Frame& frame) {
  constexpr double beside = 9, line = 15;
  struct Label {
    double left, right, x, y;
    const Curve* curve;
    bool turned;  // stands in front of its point
  };
  std::vector<Label> labels;
  for (const Curve& c : curves) {
    if (c.series->label.empty() || c.points == 0) continue;
    const Point last = c.runs.back().back();
    const double x = frame.px(last.x), width = text_pixels(c.series->label);
    const bool turned = x + beside + width > frame.right;
    const double left = turned ? x - beside - width : x + beside;
    labels.push_back(
        {left, left + width, turned ? x - beside : x + beside, frame.py(last.y) + 4, &c, turned});
  }
  std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.y < b.y; });
  std::string s;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Label& l = labels[i];
    for (std::size_t k = 0; k < i; ++k)
      if (l.left < labels[k].right && labels[k].left < l.right && l.y < labels[k].y + line)
        l.y = labels[k].y + line;
    s += fmt::format(R"(<text class="f{}{}" x="{:.1f}" y="{:.1f}">{}</text>)", l.curve->colour,
                     l.turned ? " end" : "", l.x, l.y, escape_markup(l.curve->series->label));
  }
  return s + "\n";
}

// Named series with the value they end at, which is what one looks for first.
std::vector<LegendEntry> legend_of(const std::vector<Curve>& curves) {
  std::vector<LegendEntry> entries;
  for (const auto& c : curves) {
    if (c.series->name.empty()) continue;
    std::string text = c.series->name;
    if (c.points > 0) text += fmt::format("  {:.4g}", c.runs.back().back().y);
    entries.push_back({text, c.colour});
  }
  return entries;
}

}  // namespace

std::string svg_line_plot(const LinePlot& plot) {
  std::string svg = open_svg(plot.width, plot.height, plot.title);
  const auto curves = curves_of(plot);
  const int head = plot.title.empty() ? 0 : 30;
  const Legend legend = draw_legend(legend_of(curves), 0, head, plot.width);
  svg += legend.svg;

  const bool empty = std::all_of(curves.begin(), curves.end(), [](const Curve& c) { return c.points == 0; });
  if (empty) {
    svg += fmt::format(R"(<text class="soft middle" x="{}" y="{}">no data</text>)", plot.width / 2,
                       plot.height / 2);
    return svg + "\n</svg>\n";
  }
  const Extent extent = extent_of(curves, plot.log_y);
  const double top = head + legend.height + (plot.y_label.empty() ? 8 : 26);
  const double bottom = plot.height - (plot.x_label.empty() ? 28.0 : 46.0);
  const int y_count = std::max(2, static_cast<int>((bottom - top) / 36));
  const auto y_ticks = plot.log_y ? log_ticks(extent.y, y_count) : linear_ticks(extent.y, y_count, false);
  int label_width = 0;
  for (const auto& t : y_ticks) label_width = std::max(label_width, text_pixels(t.label));

  const Frame frame{label_width + 10.0, plot.width - 12.0, top, bottom, extent.x, extent.y, plot.log_y};
  const int x_count = std::max(2, static_cast<int>((frame.right - frame.left) / 100));
  svg += draw_axes(frame, linear_ticks(frame.x, x_count, extent.whole_x), y_ticks);
  for (const auto& c : curves) svg += draw_curve(c, frame);
  svg += draw_labels(curves, frame);
  if (!plot.y_label.empty()) {
    svg += fmt::format(R"(<text class="soft" x="0" y="{:.0f}">{}</text>)", top - 10,
                       escape_markup(plot.y_label));
  }
  if (!plot.x_label.empty()) {
    svg += fmt::format(R"(<text class="soft end" x="{:.0f}" y="{:.0f}">{}</text>)", frame.right, bottom + 40,
                       escape_markup(plot.x_label));
  }
  return svg + "\n</svg>\n";
}

}  // namespace hone
