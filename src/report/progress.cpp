// The live progress line.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hone/report.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

constexpr double kRedrawSeconds = 0.1;   // on a terminal: faster than an eye reads, cheap for a slow link
constexpr double kPlainLineSeconds = 5;  // in a log
constexpr double kTokensHorizon = 5;     // seconds over which tokens/s is smoothed
constexpr double kTimeLeftHorizon = 30;  // longer, so that the time left does not jump at an evaluation
constexpr int kLeastBar = 8, kMostBar = 30;

// "4:07", "1:02:09": shorter than human_duration, and steady while it changes before one's eyes.
std::string clock_text(double seconds) {
  if (!(seconds < 1e9)) return "?";
  const auto s = static_cast<std::int64_t>(std::max(0.0, std::round(seconds)));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

void Progress::Smoothed::add(double amount_now, double seconds_now) {
  const double kept = std::exp(-seconds_now / horizon);
  amount = amount * kept + amount_now;
  seconds = seconds * kept + seconds_now;
}

Progress::Progress(ProgressOptions options) : options_(std::move(options)) {
  tokens_.horizon = kTokensHorizon;
  steps_.horizon = kTimeLeftHorizon;
  last_.step = options_.first_step;
}

void Progress::pause_until(double seconds) { busy_from_ = std::max(busy_from_, seconds); }

std::string Progress::update(const ProgressStep& step) {
  tokens_.add(step.tokens, std::max(0.0, step.seconds - busy_from_));
  steps_.add(static_cast<double>(step.step - last_.step), std::max(0.0, step.seconds - counted_to_));
  busy_from_ = counted_to_ = step.seconds;
  last_ = step;

  const double wait = options_.terminal ? kRedrawSeconds : kPlainLineSeconds;
  if (drawn_ && step.step < options_.steps && step.seconds - drawn_at_ < wait) return {};
  drawn_ = true;
  drawn_at_ = step.seconds;

  const std::string text = line();
  if (!options_.terminal) return text + "\n";
  // Spaces over the rest of a longer line before it, rather than an escape that a dumb terminal would show.
  const int columns = static_cast<int>(text_columns(text));
  const std::string rest(static_cast<std::size_t>(std::max(0, shown_columns_ - columns)), ' ');
  shown_columns_ = columns;
  const auto from = text.find('['), to = text.find(']');
  if (!options_.colour || from == std::string::npos) return "\r" + text + rest;
  return "\r" + text.substr(0, from) + "\x1b[36m" + text.substr(from, to + 1 - from) + "\x1b[0m" +
         text.substr(to + 1) + rest;
}

std::string Progress::interrupt() {
  if (shown_columns_ == 0) return {};
  const std::string blank(static_cast<std::size_t>(shown_columns_), ' ');
  shown_columns_ = 0;
  drawn_ = false;
  return "\r" + blank + "\r";
}

std::string Progress::finish() {
  if (shown_columns_ == 0) return {};
  shown_columns_ = 0;
  return "\n";
}

std::string Progress::bar(int columns) const {
  const double done =
      static_cast<double>(last_.step) / static_cast<double>(std::max<std::int64_t>(1, options_.steps));
  const int filled = std::clamp(static_cast<int>(done * columns), 0, columns);
  std::string s(static_cast<std::size_t>(filled), '=');
  if (filled < columns) s += '>';
  s.resize(static_cast<std::size_t>(columns), ' ');
  return "[" + s + "]";
}

// The parts in the order shown; where they don't all fit, bar, elapsed time, percentage, skipped steps and
// speed go, in this order.
std::string Progress::line() const {
  const std::string total = std::to_string(options_.steps);
  const auto left_steps = std::max<std::int64_t>(0, options_.steps - last_.step);
  const double percent = 100.0 * static_cast<double>(last_.step) /
                         static_cast<double>(std::max<std::int64_t>(1, options_.steps));

  enum Part { kStep, kBar, kPercent, kLoss, kSkipped, kSpeed, kElapsed, kLeft, kParts };
  std::string part[kParts];
  part[kStep] = fmt::format("{} {:>{}}/{}", options_.what, last_.step, total.size(), total);
  part[kPercent] = fmt::format("{:3.0f} %", std::floor(percent));
  if (last_.loss) part[kLoss] = fmt::format("loss {:.3f}", *last_.loss);
  if (last_.skipped > 0) part[kSkipped] = fmt::format("{} skipped", last_.skipped);
  if (tokens_.amount > 0) part[kSpeed] = human_rate(tokens_.rate(), "tok/s");
  part[kElapsed] = clock_text(last_.seconds);
  if (left_steps == 0) {
    part[kLeft] = "done";
  } else if (steps_.rate() > 0) {
    part[kLeft] = clock_text(static_cast<double>(left_steps) / steps_.rate()) + " left";
  }

  const int room = options_.width - 1;  // the last column would wrap on some terminals
  const auto joined = [&part] {
    std::string s;
    for (const auto& p : part) {
      if (!p.empty()) s += (s.empty() ? "" : "  ") + p;
    }
    return s;
  };
  const int bar_columns = room - static_cast<int>(joined().size()) - 4;  // two spaces, two brackets
  if (options_.terminal && bar_columns >= kLeastBar) part[kBar] = bar(std::min(bar_columns, kMostBar));
  for (const Part least : {kElapsed, kPercent, kSkipped, kSpeed, kLeft}) {
    if (!options_.terminal || static_cast<int>(joined().size()) <= room) break;
    part[least].clear();
  }
  std::string s = joined();
  if (options_.terminal) s.resize(std::min(s.size(), static_cast<std::size_t>(std::max(0, room))));
  return s;
}

}  // namespace hone
