// Shows what a run does and what it bought: the live progress line, text tables, readable quantities, SVG
// plots, the HTML report of a training run, TensorBoard's event file.
//
// Everything here takes plain values and gives text back, or writes a file at a path; nothing writes to a
// standard stream, asks a clock or looks at the terminal. That is the caller's:
//
//   hone::Progress progress({.steps = 2000, .terminal = true, .width = 80});
//   for (std::int64_t step = 1; step <= 2000; ++step) {
//     const double loss = trainer.step(batch, {.lr = 1e-3f}).loss;
//     const double now = double(std::clock()) / CLOCKS_PER_SEC;
//     std::fputs(progress.update({step, loss, 8192, now}).c_str(), stderr);
//   }
//   std::fputs(progress.finish().c_str(), stderr);
#pragma once
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/error.hpp"

namespace hone {

// ---- Quantities for people: three significant digits, a space before the unit.

HONE_API std::string human_bytes(double bytes);  // "812 B", "1.25 GiB"
// "1.25 ms", "4.20 s", "2 m 05 s", "3 h 07 m", "2 d 04 h"
HONE_API std::string human_duration(double seconds);
HONE_API std::string human_count(double n);  // "9,216", "124 M"; exact below 100,000
HONE_API std::string human_rate(double per_second, std::string_view unit);  // "1,666 tok/s", "0.42 steps/s"
HONE_API std::string human_share(double part, double whole);  // "84.2 %"; "-" where there is no whole

// ---- Tables

// A text table; columns that hold only numbers (a unit may follow) are right-aligned, a rule is under the
// header. Cells are made printable(): each stays one line of its row.
class HONE_API Table {
 public:
  explicit Table(std::vector<std::string> header);
  Table& row(std::vector<std::string> cells);  // missing cells are empty; too many are the caller's bug
  Table& rule();                               // a line between rows, as above a total
  std::string to_string(int indent = 0) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;  // no cells: a rule
};

// ---- Progress

struct ProgressOptions {
  std::string what = "step";    // what is counted
  std::int64_t steps = 0;       // of the whole run
  std::int64_t first_step = 0;  // done before this process began (a resumed run)
  bool colour = false;          // ANSI colours
  bool terminal = false;        // one line redrawn in place; otherwise whole lines, a few seconds apart
  int width = 80;               // columns; lines stay shorter, the least needed parts go first
};

// A finished step.
struct ProgressStep {
  std::int64_t step = 0;         // steps done, this one included
  std::optional<double> loss{};  // nats a token; none where nothing learns
  double tokens = 0;             // of this step; of a run without any no speed is shown
  double seconds = 0;            // on any steady clock whose zero is the start of this process's run
  std::int64_t skipped = 0;      // steps of this start that overflowed in fp16
};

// The one live line of a run.
//
//   step   812/2000 [=======>          ]  40 %  loss 2.104  1,666 tok/s  6:38  9:42 left
class HONE_API Progress {
 public:
  explicit Progress(ProgressOptions options);

  // Takes note of a step. Returns the text to write now, empty when the last line is too fresh (under 100 ms
  // on a terminal, 5 s otherwise); the last step is always shown.
  std::string update(const ProgressStep& step);
  // What to write before any other message, so that it gets a line of its own; the next update redraws.
  std::string interrupt();
  // Tells that time went by outside the steps (an evaluation, a save): it counts as elapsed, not in tokens/s.
  void pause_until(double seconds);
  // What ends the line, once, after the last update.
  std::string finish();

 private:
  // A rate that forgets: amounts and seconds both decay, so that it is right from the first step on.
  struct Smoothed {
    double amount = 0, seconds = 0, horizon = 5;
    void add(double amount_now, double seconds_now);
    double rate() const { return seconds > 0 ? amount / seconds : 0; }
  };
  std::string line() const;
  std::string bar(int columns) const;

  ProgressOptions options_;
  ProgressStep last_;
  Smoothed tokens_, steps_;
  double busy_from_ = 0;   // when the step under way began
  double counted_to_ = 0;  // what the steps' own rate has seen; pauses are in it
  double drawn_at_ = 0;
  bool drawn_ = false;
  int shown_columns_ = 0;  // of the live line on screen, 0 when there is none
};

// ---- Plots: complete SVG documents that follow the reader's light or dark scheme. Every member of these
// structs has an initialiser, so that naming only some of them draws no warning.

struct Series {
  std::string name{};            // in the legend; empty: not there
  std::vector<double> x{}, y{};  // of equal length; a value that is not finite makes a gap
  bool faint = false;            // thin and pale, in the colour of the series after it
  std::string label{};           // beside its last point
};

struct LinePlot {
  std::string title{}, x_label{}, y_label{};
  std::vector<Series> series{};
  bool log_y = false;  // values that are not positive make a gap
  int width = 880, height = 340;
};

struct BarSegment {
  std::string name{};
  double value = 0;
};

struct Bar {
  std::string name{};
  std::vector<BarSegment>
      segments{};       // one beside the other; equal names have one colour and one legend entry
  std::string label{};  // at the bar's end
};

struct BarPlot {
  std::string title{};
  std::vector<Bar> bars{};  // horizontal, top to bottom
  double whole = 0;         // what the full width stands for; 0: the longest bar
  int width = 880;
};

HONE_API std::string svg_line_plot(const LinePlot& plot);
HONE_API std::string svg_bar_plot(const BarPlot& plot);

// ---- What compressions have cost

// A model beside the one that it was made of. What is unknown is left out.
struct CompressionRow {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::string name{};                               // of the technique: "4 bits, gptq"
  double bytes = unknown, bits_a_weight = unknown;  // of all weights
  double perplexity = unknown;                      // on a text
  double low = unknown, high = unknown;             // its 95 % confidence
  double kl = unknown, flipped = unknown;           // against the first row: nats a token; share
  double prefill_tokens_per_s = unknown, decode_tokens_per_s = unknown;
};

// The same columns as text and in HTML; the first row is the model that the others were made of.
HONE_API Table compression_table(const std::vector<CompressionRow>& rows);

struct CompressionReport {
  std::string title{}, subtitle{}, command{};  // as RunReport has them
  std::vector<CompressionRow> rows{};
  std::string note{};  // what was measured, and on what
};

// ---- The report of a training run

struct RunReport {
  using Facts = std::vector<std::pair<std::string, std::string>>;  // (what, value), in the order to show
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::string title{};     // "nano on The Adventures of ..."
  std::string subtitle{};  // when, on which machine
  std::string command{};   // exactly as it was typed
  Facts model{}, options{};

  std::int64_t steps = 0;
  double seconds = unknown;
  Series train_loss{}, validation_loss{};  // step -> nats a token; their names are given by the report
  double bits_per_byte = unknown;          // of the held-out text
  std::string prompt{}, sample{};          // sample continues prompt

  std::vector<BarSegment> memory{};  // the forecast's parts, bytes
  double forecast_bytes = unknown, measured_bytes = unknown;

  double tokens_per_s = unknown, gflops = unknown, limit_gflops = unknown;
  std::vector<BarSegment> op_ms{};  // milliseconds of a step by op

  std::vector<CompressionRow> compressions{};  // of the trained model, which is the first
  std::string compression_note{};
};

// One self-contained page: no script, nothing from the network. What is unknown or empty is left out.
HONE_API std::string html_report(const RunReport& report);
HONE_API std::string html_compression_report(const CompressionReport& report);
// Before the work that is to be reported: Error(failed) where the file cannot be written, Error(usage) where
// it would replace what is no page of a report.
HONE_API void require_report_file(const std::string& path);
// The same, into a file, whole or not at all. Throws Error where the file can't be written.
HONE_API void write_report(const std::string& path, const RunReport& report);
HONE_API void write_compression_report(const std::string& path, const CompressionReport& report);

// ---- TensorBoard

// Appends scalars to a new event file in a folder, which it makes if its parent exists. Throws Error where
// the file can't be made or written.
class HONE_API EventWriter {
 public:
  // The file is "events.out.tfevents.<unix_seconds>.hone"; one that exists is never touched, a number is
  // added. first_step: a resumed run's steps done, so that TensorBoard drops what the killed run wrote beyond
  // them.
  EventWriter(const std::string& folder, double unix_seconds, std::int64_t first_step = 0);

  void scalar(std::string_view tag, std::int64_t step, double value, double unix_seconds);
  void flush();
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  void begin(double unix_seconds, std::int64_t first_step);
  void record(std::string_view data);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace hone
