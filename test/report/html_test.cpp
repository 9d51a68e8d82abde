#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "../temporary_folder.hpp"
#include "hone/report.hpp"
#include "report/markup_check.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

RunReport example() {
  RunReport r;
  r.title = "nano on a book";
  r.command = "hone train --model nano";
  r.model = {{"layers", "6"}};
  r.options = {{"precision", "bf16"}};
  r.steps = 200;
  r.seconds = 125;
  for (int i = 1; i <= 200; ++i) {
    r.train_loss.x.push_back(i);
    r.train_loss.y.push_back(8.0 / i + 2);
  }
  r.validation_loss = {"", {100, 200}, {2.5, 2.25}};
  r.bits_per_byte = 2.184;
  r.prompt = "It was ";
  r.sample = "the best of times";
  r.memory = {{"weights", 100 << 20}, {"activations", 300 << 20}};
  r.forecast_bytes = 400 << 20;
  r.measured_bytes = 390 << 20;
  r.tokens_per_s = 4521;
  r.gflops = 345;
  r.limit_gflops = 460;
  r.op_ms = {{"matmul", 300}, {"attention", 100}};
  return r;
}

TEST(HtmlReport, SaysWhatTheRunProduced) {
  const auto html = html_report(example());
  EXPECT_EQ(markup_fault(html), "");
  for (const char* text :
       {"nano on a book", "2.184", "2.250", "2 m 05 s", "4,521 tok/s", "75.0 % of this CPU", "390 MiB",
        "97.5 % of the forecast", "stayed 10.0 MiB under", "the best of times", "<b>It was </b>", "--model",
        "precision", "matmul", "300 ms", "A step takes 400 ms"}) {
    EXPECT_NE(html.find(text), std::string::npos) << text;
  }
}

TEST(HtmlReport, NeedsNothingButItself) {
  const auto html = html_report(example());
  for (const char* bad : {"<script", "src=", "href=", "@import", "url("}) {
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  }
}

TEST(HtmlReport, LeavesOutWhatIsUnknown) {
  const auto html = html_report({});
  EXPECT_EQ(markup_fault(html), "");
  EXPECT_EQ(html.find("nan"), std::string::npos);
  EXPECT_EQ(html.find("<section><h2>Loss"), std::string::npos);
  EXPECT_EQ(html.find("<svg"), std::string::npos);

  RunReport r;
  r.train_loss = {"", {1, 2}, {3, std::nan("")}};
  r.measured_bytes = 1 << 30;
  const auto some = html_report(r);
  EXPECT_EQ(markup_fault(some), "");
  EXPECT_NE(some.find("1.00 GiB"), std::string::npos);
  EXPECT_EQ(some.find("of the forecast"), std::string::npos);
}

TEST(HtmlReport, SaysWhenMemoryWentOverTheForecast) {
  auto r = example();
  r.measured_bytes = 410 << 20;
  EXPECT_NE(html_report(r).find("took 10.0 MiB more than was forecast"), std::string::npos);
}

TEST(HtmlReport, EscapesEverything) {
  const std::string evil = "</pre></style><script>alert(\"1\")</script>&'\x01\xc3(";
  RunReport r = example();
  r.title = r.subtitle = r.command = r.prompt = r.sample = evil;
  r.model = r.options = {{evil, evil}};
  r.memory = {{evil, 1}, {"b", 2}};
  r.op_ms = {{evil, 1}};
  const auto html = html_report(r);
  EXPECT_EQ(markup_fault(html), "");
  EXPECT_EQ(html.find("<script"), std::string::npos);
}

std::vector<CompressionRow> smaller() {
  return {{.name = "as trained",
           .bytes = 8 << 20,
           .bits_a_weight = 32,
           .perplexity = 20.5,
           .low = 19,
           .high = 22},
          {.name = "4 <bits>",
           .bytes = 1 << 20,
           .bits_a_weight = 4.25,
           .perplexity = 21.25,
           .low = 20,
           .high = 23,
           .kl = 0.0125,
           .flipped = 0.031,
           .prefill_tokens_per_s = 12345,
           .decode_tokens_per_s = 678},
          {.name = "unmeasured", .bytes = 2 << 20}};
}

TEST(HtmlReport, HasATableAndAPlotOfSmallerModels) {
  const CompressionReport r{
      .title = "int4 beside base", .command = "hone quantize", .rows = smaller(), .note = "on 9 tokens"};
  RunReport run = example();
  run.compressions = smaller();
  for (const std::string& html : {html_compression_report(r), html_report(run)}) {
    EXPECT_EQ(markup_fault(html), "");
    for (const char* text : {"Smaller models", "8.00 MiB", "4.25", "20.00 to 23.00", "0.0125", "3.10 %",
                             "12,345", "678", "4 &lt;bits&gt;", "MiB of weights"})
      EXPECT_NE(html.find(text), std::string::npos) << text;
    EXPECT_EQ(html.find("nan<"), std::string::npos);
  }
  EXPECT_NE(html_compression_report(r).find("on 9 tokens"), std::string::npos);
  EXPECT_EQ(html_report(example()).find("Smaller models"), std::string::npos);
}

TEST(CompressionTable, HasARowATechniqueAndNoNumberThatIsUnknown) {
  const std::string text = compression_table(smaller()).to_string();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5) << text;
  EXPECT_EQ(text.find("nan"), std::string::npos) << text;
  EXPECT_NE(text.find("12,345"), std::string::npos) << text;
}

TEST(LinePlot, LabelsStandBesidePointsAndNeverOnEachOther) {
  LinePlot plot;
  for (const char* name : {"first", "second"}) plot.series.push_back({.x = {1}, .y = {2}, .label = name});
  const std::string svg = svg_line_plot(plot);
  const auto height = [&](const std::string& name) {
    const auto at = svg.rfind(" y=\"", svg.find(">" + name + "<"));
    return std::stod(svg.substr(at + 4));
  };
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_GE(height("second") - height("first"), 12);
}

TEST(HtmlReport, ManyPartsAreSummedUp) {
  auto r = example();
  r.op_ms.clear();
  for (int i = 0; i < 40; ++i) r.op_ms.push_back({"op" + std::to_string(i), 100.0 - i});
  const auto html = html_report(r);
  EXPECT_NE(html.find(">24 others<"), std::string::npos);
  EXPECT_NE(html.find(">op15<"), std::string::npos);
  EXPECT_EQ(html.find(">op16<"), std::string::npos);
}

TEST(WriteReport, ReplacesTheFileWholeAndLeavesNoOther) {
  const TemporaryFolder folder;
  const std::string path = folder.file("report.html");
  for (const char* title : {"first", "second"}) {
    RunReport r;
    r.title = title;
    write_report(path, r);
    std::ostringstream got;
    got << std::ifstream(path, std::ios::binary).rdbuf();
    EXPECT_EQ(got.str(), html_report(r));
  }
  struct stat st;
  EXPECT_NE(::stat((path + ".tmp").c_str(), &st), 0);
}

TEST(WriteReport, UnwritableFolderIsAnError) {
  const std::string message =
      error_of(ErrorKind::failed, [] { write_report("/nonexistent/folder/report.html", {}); });
  EXPECT_NE(message.find("/nonexistent/folder/report.html"), std::string::npos) << message;
  EXPECT_NE(message.find("no such file or folder"), std::string::npos) << message;
}

TEST(EscapeMarkup, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(escape_markup("a\u00e9\u20ac\U0001f600\n\t"), "a\u00e9\u20ac\U0001f600\n\t");
  EXPECT_EQ(escape_markup("\xc0\x80"), "\ufffd\ufffd");            // overlong
  EXPECT_EQ(escape_markup("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // a surrogate
  EXPECT_EQ(escape_markup("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");
  EXPECT_EQ(escape_markup("\xe2\x82"), "\ufffd\ufffd");  // cut off
  EXPECT_EQ(escape_markup(std::string_view("\0\x1b\x7f", 3)), "\ufffd\ufffd\ufffd");
}

TEST(Shortened, CutsBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "ab\u2026");
  EXPECT_EQ(shortened("\u00e9\u00e9\u00e9\u00e9", 3), "\u00e9\u00e9\u2026");
}

}  // namespace
}  // namespace hone
