#include "report/plot.hpp"

#include <fmt/format.h>

#include <cmath>

#include "report/text.hpp"

namespace hone {
namespace {

constexpr int kLegendRow = 20;
constexpr int kMargin = 8;  // round about, also where the plot stands by itself; html_style.hpp takes it back

// Eight hues that stay apart for colour-blind readers in the order given, each at least 3:1 against its
// background, in a light and a dark version. The names are long because a style inside HTML is the page's.
constexpr std::string_view kStyle = R"(<style>
.hone-plot{--surface:#ffffff;--ink:#1c2128;--soft:#59636e;--grid:#e6e9ed;--axis:#b6bdc6;--track:#eef0f3;
--c0:#2a6fdb;--c1:#d9622b;--c2:#178a6a;--c3:#b07d00;--c4:#c2528b;--c5:#5b4bc4;--c6:#4d7f1f;--c7:#8a6a55;
font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums;max-width:100%;height:auto}
@media (prefers-color-scheme:dark){.hone-plot{--surface:#1a1e24;--ink:#e6e9ed;--soft:#a0a9b4;--grid:#2b313a;
--axis:#4a525d;--track:#262c34;--c0:#5b9bf3;--c1:#ec8350;--c2:#3cb893;--c3:#d5a437;--c4:#e07fb1;--c5:#9c8ff0;
--c6:#85b94f;--c7:#b99681}}
.hone-plot .surface{fill:var(--surface)}.hone-plot text{fill:var(--ink)}.hone-plot .soft{fill:var(--soft)}
.hone-plot .title{font-size:15px;font-weight:600}.hone-plot .grid{stroke:var(--grid)}
.hone-plot .axis{stroke:var(--axis)}.hone-plot .track{fill:var(--track)}
.hone-plot .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.hone-plot .faint{stroke-width:1;opacity:.35}.hone-plot .dot{stroke:var(--surface);stroke-width:1.5}
.hone-plot .end{text-anchor:end}.hone-plot .middle{text-anchor:middle}
)";

}  // namespace

std::string open_svg(int width, int height, std::string_view title) {
  std::string s =
      fmt::format(R"(<svg class="hone-plot" xmlns="http://www.w3.org/2000/svg" viewBox="-{3} -{3} {0} {1}" )"
                  R"(width="{0}" height="{1}" role="img" aria-label="{2}">)",
                  width + 2 * kMargin, height + 2 * kMargin, escape_markup(title), kMargin);
  s += kStyle;
  for (int c = 0; c < kPlotColours; ++c) {
    s += fmt::format(".hone-plot .s{0}{{stroke:var(--c{0})}}.hone-plot .f{0}{{fill:var(--c{0})}}", c);
  }
  s += "\n</style>\n";
  s += fmt::format(R"(<rect class="surface" x="-{0}" y="-{0}" width="{1}" height="{2}"/>)", kMargin,
                   width + 2 * kMargin, height + 2 * kMargin);
  if (!title.empty()) s += fmt::format(R"(<text class="title" x="0" y="18">{}</text>)", escape_markup(title));
  return s + "\n";
}

Legend draw_legend(const std::vector<LegendEntry>& entries, int left, int top, int width) {
  constexpr int kSwatch = 12, kGap = 6, kBetween = 18;
  Legend legend;
  int x = left, y = top;
  for (const auto& e : entries) {
    const int taken = kSwatch + kGap + text_pixels(e.text);
    if (x > left && x + taken > left + width) {
      x = left;
      y += kLegendRow;
    }
    legend.svg +=
        fmt::format(R"(<rect class="f{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>)"
                    R"(<text class="soft" x="{}" y="{}">{}</text>)",
                    e.colour, x, y + 2, kSwatch, kSwatch, x + kSwatch + kGap, y + 12, escape_markup(e.text));
    legend.svg += '\n';
    x += taken + kBetween;
  }
  if (!entries.empty()) legend.height = y - top + kLegendRow;
  return legend;
}

int text_pixels(std::string_view text) {
  return static_cast<int>(std::ceil(7.4 * static_cast<double>(text_columns(text))));
}

}  // namespace hone
