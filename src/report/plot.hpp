// What the plots share: the document around them, the look, the legend.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hone {

constexpr int kPlotColours = 8;

// Opens an SVG document with its style, background and title; the width and height are those of the
// drawing, in pixels, to which a margin comes; it shrinks with its container. `title` is plain text, as
// everything here.
std::string open_svg(int width, int height, std::string_view title);

struct LegendEntry {
  std::string text;
  int colour;
};

// The legend in rows no wider than `width`, from (left, top) down; `height` is what it took.
struct Legend {
  std::string svg;
  int height = 0;
};
Legend draw_legend(const std::vector<LegendEntry>& entries, int left, int top, int width);

// Pixels that a text of the plots' 12-pixel font takes, rather too many: there is no font to ask.
int text_pixels(std::string_view text);

}  // namespace hone
