// What compressions have cost: the table as text, the same with a plot for the pages.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "file/atomic.hpp"
#include "report/html_parts.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

constexpr double kMebi = 1 << 20;
constexpr double kLogFrom =
    4;  // where the worst perplexity is so many times the best, a line would hide the rest

const std::vector<std::string> kHeader = {"technique", "bytes",   "bits/weight",   "perplexity",  "95 %",
                                          "KL",        "flipped", "prefill tok/s", "decode tok/s"};

std::string text_of(double value, std::string_view format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string rate(double tokens_per_s) {
  return std::isfinite(tokens_per_s) ? with_commas(tokens_per_s) : "-";
}

std::vector<std::string> cells(const CompressionRow& r, bool first) {
  const double flipped = 100 * r.flipped;
  return {r.name,
          std::isfinite(r.bytes) ? human_bytes(r.bytes) : "-",
          text_of(r.bits_a_weight, "{:.2f}"),
          text_of(r.perplexity, "{:.2f}"),
          std::isfinite(r.low) ? fmt::format("{:.2f} to {:.2f}", r.low, r.high) : "-",
          first ? "-" : text_of(r.kl, "{:.4f}"),
          first ? "-" : text_of(flipped, "{:.2f} %"),
          rate(r.prefill_tokens_per_s),
          rate(r.decode_tokens_per_s)};
}

std::string html_row(const std::vector<std::string>& cells, std::string_view tag) {
  std::string s = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view cell_tag = i == 0 ? "th" : tag;
    s += fmt::format("<{0}>{1}</{0}>", cell_tag, escape_markup(cells[i]));
  }
  return s + "</tr>\n";
}

std::string html_table(const std::vector<CompressionRow>& rows) {
  std::string s = "<div class=\"wide\"><table class=\"compressions\">\n" + html_row(kHeader, "th");
  for (std::size_t i = 0; i < rows.size(); ++i) s += html_row(cells(rows[i], i == 0), "td");
  return s + "</table></div>\n";
}

// A point a row, with its confidence as a pale line up and down.
std::string size_plot(const std::vector<CompressionRow>& rows) {
  LinePlot plot{.x_label = "MiB of weights", .y_label = "perplexity"};
  double best = INFINITY, worst = 0;
  for (const CompressionRow& r : rows) {
    if (!std::isfinite(r.bytes) || !std::isfinite(r.perplexity)) continue;
    const double x = r.bytes / kMebi;
    best = std::min(best, r.perplexity);
    worst = std::max(worst, r.perplexity);
    plot.series.push_back({.x = {x, x}, .y = {r.low, r.high}, .faint = true});
    plot.series.push_back({.x = {x}, .y = {r.perplexity}, .label = r.name});
  }
  plot.log_y = worst > kLogFrom * best;
  return plot.series.empty() ? "" : svg_line_plot(plot);
}

}  // namespace

Table compression_table(const std::vector<CompressionRow>& rows) {
  Table table(kHeader);
  for (std::size_t i = 0; i < rows.size(); ++i) table.row(cells(rows[i], i == 0));
  return table;
}

std::string compression_section(const std::vector<CompressionRow>& rows, std::string_view note) {
  return rows.empty() ? "" : html_section("Smaller models", note, html_table(rows) + size_plot(rows));
}

std::string html_compression_report(const CompressionReport& r) {
  std::string body = compression_section(r.rows, r.note);
  if (!r.command.empty()) body += html_section("The run", "", html_command(r.command));
  return html_page(r.title, r.subtitle, body);
}

void write_compression_report(const std::string& path, const CompressionReport& report) {
  write_file(path, html_compression_report(report));
}

}  // namespace hone
