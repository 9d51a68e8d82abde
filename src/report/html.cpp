// The report of a training run as one page that needs nothing but a browser.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "file/atomic.hpp"
#include "file/mapped.hpp"
#include "hone/report.hpp"
#include "report/html_parts.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

constexpr std::size_t kSmoothFrom = 60;      // fewer points show their course by themselves
constexpr std::size_t kMostMemoryParts = 6;  // with the rest and the measured bar, as many as there are hues
constexpr std::size_t kMostOps = 16;

bool known(double v) { return std::isfinite(v); }
bool known_positive(double v) { return known(v) && v > 0; }

double last_finite(const std::vector<double>& v) {
  const auto it = std::find_if(v.rbegin(), v.rend(), [](double x) { return std::isfinite(x); });
  return it == v.rend() ? RunReport::unknown : *it;
}

std::string card(std::string_view name, const std::string& value, const std::string& note) {
  return fmt::format(R"(<div class="card"><div class="name">{}</div><div class="value">{}</div>)"
                     R"(<div class="note">{}</div></div>)"
                     "\n",
                     escape_markup(name), escape_markup(value), escape_markup(note));
}

std::string cards(const RunReport& r) {
  std::string s;
  const double validation = last_finite(r.validation_loss.y), train = last_finite(r.train_loss.y);
  if (known(r.bits_per_byte))
    s += card("Bits a byte", fmt::format("{:.3f}", r.bits_per_byte), "held-out text");
  if (known(validation)) {
    s += card("Validation loss", fmt::format("{:.3f}", validation),
              fmt::format("perplexity {:.4g}", std::exp(validation)));
  }
  if (known(train)) s += card("Training loss", fmt::format("{:.3f}", train), "nats a token, last step");
  if (known(r.seconds))
    s += card("Time", human_duration(r.seconds), with_commas(static_cast<double>(r.steps)) + " steps");
  if (known(r.tokens_per_s)) {
    const bool limit = known(r.gflops) && known_positive(r.limit_gflops);
    s += card("Speed", human_rate(r.tokens_per_s, "tok/s"),
              limit ? human_share(r.gflops, r.limit_gflops) + " of this CPU's limit" : "");
  }
  const double peak = known(r.measured_bytes) ? r.measured_bytes : r.forecast_bytes;
  if (known(peak)) {
    const bool both = known(r.measured_bytes) && known_positive(r.forecast_bytes);
    s += card("Peak memory", human_bytes(peak),
              both                      ? human_share(r.measured_bytes, r.forecast_bytes) + " of the forecast"
              : known(r.measured_bytes) ? "measured"
                                        : "forecast");
  }
  return s.empty() ? s : "<div class=\"cards\">\n" + s + "</div>\n";
}

// The mean over a fiftieth of the run around each point. At the beginning, where the loss falls steeply, the
// window is as short before the point as after it, so that the mean does not lag; at the end it only looks
// back.
Series smoothed(const Series& raw) {
  const std::size_t n = raw.y.size(), most = std::max<std::size_t>(1, n / 100);
  std::vector<double> sum(n + 1), count(n + 1);
  for (std::size_t i = 0; i < n; ++i) {
    const bool counts = std::isfinite(raw.y[i]);
    sum[i + 1] = sum[i] + (counts ? raw.y[i] : 0);
    count[i + 1] = count[i] + (counts ? 1 : 0);
  }
  Series s = raw;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(raw.y[i])) continue;  // the gap stays a gap
    const std::size_t half = std::min(i, most), from = i - half, to = std::min(n, i + half + 1);
    s.y[i] = (sum[to] - sum[from]) / (count[to] - count[from]);
  }
  return s;
}

std::string loss_section(const RunReport& r) {
  LinePlot plot;
  plot.x_label = "step";
  plot.y_label = "nats a token";
  std::string note;
  if (r.train_loss.y.size() >= kSmoothFrom) {
    plot.series.push_back(r.train_loss);
    plot.series.back().name.clear();
    plot.series.back().faint = true;
    plot.series.push_back(smoothed(r.train_loss));
    plot.series.back().name = "training (smoothed)";
    note = "The pale line is each step's training loss.";
  } else if (!r.train_loss.y.empty()) {
    plot.series.push_back(r.train_loss);
    plot.series.back().name = "training";
  }
  if (!r.validation_loss.y.empty()) {
    plot.series.push_back(r.validation_loss);
    plot.series.back().name = "validation";
  }
  return plot.series.empty() ? "" : html_section("Loss", note, svg_line_plot(plot));
}

std::string facts_table(const RunReport::Facts& facts) {
  std::string s = "<table>\n";
  for (const auto& [what, value] : facts) {
    s += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escape_markup(what), escape_markup(value));
  }
  return s + "</table>\n";
}

double total(const std::vector<BarSegment>& parts) {
  return std::accumulate(parts.begin(), parts.end(), 0.0, [](double sum, const BarSegment& p) {
    return known_positive(p.value) ? sum + p.value : sum;
  });
}

// Largest first, at most `most`, and the rest as one.
std::vector<BarSegment> largest(std::vector<BarSegment> parts, std::size_t most) {
  std::erase_if(parts, [](const BarSegment& p) { return !known_positive(p.value); });
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.value > b.value; });
  if (parts.size() <= most + 1) return parts;
  const std::vector<BarSegment> rest(parts.begin() + static_cast<std::ptrdiff_t>(most), parts.end());
  parts.resize(most);
  parts.push_back({fmt::format("{} others", rest.size()), total(rest)});
  return parts;
}

std::string memory_section(const RunReport& r) {
  BarPlot plot;
  const auto parts = largest(r.memory, kMostMemoryParts);
  const double forecast = known(r.forecast_bytes) ? r.forecast_bytes : total(parts);
  if (forecast > 0) {
    auto segments = parts;
    if (segments.empty()) segments.push_back({"forecast", forecast});
    plot.bars.push_back({"forecast", segments, human_bytes(forecast)});
  }
  if (known(r.measured_bytes)) {
    plot.bars.push_back(
        {"used", {{"used (resident peak)", r.measured_bytes}}, human_bytes(r.measured_bytes)});
  }
  if (plot.bars.empty()) return "";

  std::string note;
  if (known(r.measured_bytes) && forecast > 0) {
    const double over = r.measured_bytes - forecast;
    note = over <= 0
               ? fmt::format("The run stayed {} under what was forecast before it began.", human_bytes(-over))
               : fmt::format("The run took {} more than was forecast before it began.", human_bytes(over));
  }
  std::string body = svg_bar_plot(plot);
  if (!parts.empty()) {
    body += "<details><summary>The forecast, part by part</summary>\n<table class=\"numbers\">\n";
    for (const auto& p : largest(r.memory, r.memory.size())) {
      body += fmt::format("<tr><th>{}</th><td>{}</td><td>{}</td></tr>\n", escape_markup(p.name),
                          human_bytes(p.value), human_share(p.value, forecast));
    }
    body += "</table></details>\n";
  }
  return html_section("Memory: forecast against use", note, body);
}

std::string speed_section(const RunReport& r) {
  if (!known(r.gflops) || !known_positive(r.limit_gflops)) return "";
  BarPlot plot;
  plot.whole = r.limit_gflops;
  plot.bars.push_back({"this run", {{"", r.gflops}}, human_rate(r.gflops, "GFLOP/s")});
  const std::string note =
      fmt::format("{} of the {} of multiply-adds that this CPU can do at this precision (the whole bar){}.",
                  human_share(r.gflops, r.limit_gflops), human_rate(r.limit_gflops, "GFLOP/s"),
                  known(r.tokens_per_s) ? ": " + human_rate(r.tokens_per_s, "tok/s") : "");
  return html_section("Speed against the limit", note, svg_bar_plot(plot));
}

std::string time_section(const RunReport& r) {
  const double sum = total(r.op_ms);
  if (!(sum > 0)) return "";
  BarPlot plot;
  for (const auto& op : largest(r.op_ms, kMostOps)) {
    plot.bars.push_back({op.name,
                         {{"", op.value}},
                         human_duration(op.value / 1000) + " \u00b7 " + human_share(op.value, sum)});
  }
  return html_section("Where a step's time goes", "A step takes " + human_duration(sum / 1000) + ".",
                      svg_bar_plot(plot));
}

std::string sample_section(const RunReport& r) {
  if (r.sample.empty() && r.prompt.empty()) return "";
  const std::string prompt = r.prompt.empty() ? "" : "<b>" + escape_markup(r.prompt) + "</b>";
  return html_section("What it writes", r.prompt.empty() ? "" : "The prompt is in bold.",
                      "<blockquote>" + prompt + escape_markup(r.sample) + "</blockquote>\n");
}

std::string run_section(const RunReport& r) {
  std::string body;
  if (!r.command.empty()) body += html_command(r.command);
  body += "<div class=\"columns\">\n";
  if (!r.model.empty()) body += "<div><h3>Model</h3>" + facts_table(r.model) + "</div>\n";
  if (!r.options.empty()) body += "<div><h3>Options</h3>" + facts_table(r.options) + "</div>\n";
  return html_section("The run", "", body + "</div>\n");
}

}  // namespace

std::string html_report(const RunReport& r) {
  return html_page(r.title, r.subtitle,
                   cards(r) + loss_section(r) + compression_section(r.compressions, r.compression_note) +
                       memory_section(r) + speed_section(r) + time_section(r) + sample_section(r) +
                       run_section(r));
}

void require_report_file(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty() && !is_folder(folder.string()))
    throw Error(ErrorKind::failed, {.what = "no such folder for the report", .where = path});
  std::error_code unreadable;
  const bool there = fs::exists(fs::symlink_status(path, unreadable));
  if (there && !(is_file(path) && read_head(path).starts_with(html_begin)))
    throw Error(ErrorKind::usage, {.what = "what is there is no report, and would be replaced",
                                   .where = path,
                                   .expected = "no file, or an older report",
                                   .hint = "name another one"});
  require_writable(path);
}

void write_report(const std::string& path, const RunReport& report) { write_file(path, html_report(report)); }

}  // namespace hone
