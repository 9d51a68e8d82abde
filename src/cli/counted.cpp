#include "cli/counted.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "cli/terminal.hpp"
#include "hone/report.hpp"

namespace hone::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double quiet_seconds = 2;

class Counted {
 public:
  explicit Counted(std::string what) : what_(std::move(what)) {}
  ~Counted() { end(); }

  void at(std::int64_t done, std::int64_t all) {
    if (!progress_ || done <= last_) begin(all);
    last_ = done;
    const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
    const std::string text = progress_->update({.step = done, .seconds = seconds});
    if (seconds >= quiet_seconds) shown_ = true, std::fputs(text.c_str(), stderr);
    if (done >= all) end();
  }

 private:
  void begin(std::int64_t all) {
    end();
    ProgressOptions options = progress_options();
    options.what = what_;
    options.steps = all;
    progress_.emplace(options);
    begun_ = Clock::now();
  }
  void end() {
    if (progress_ && shown_) std::fputs(progress_->finish().c_str(), stderr);
    progress_.reset();
    shown_ = false;
  }

  std::string what_;
  std::optional<Progress> progress_;
  std::int64_t last_ = 0;
  bool shown_ = false;
  Clock::time_point begun_;
};

}  // namespace

std::function<void(std::int64_t, std::int64_t)> counted(const std::string& what) {
  return [state = std::make_shared<Counted>(what)](std::int64_t done, std::int64_t all) {
    state->at(done, all);
  };
}

}  // namespace hone::cli
