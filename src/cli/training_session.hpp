// A training run as a person watches it: progress on stderr, JSON or a summary on stdout, TensorBoard events.
#pragma once
#include <mutex>
#include <optional>

#include "cli/json_line.hpp"
#include "cli/training_options.hpp"
#include "hone/report.hpp"

namespace hone::cli {

struct Curves {
  Series train, validation;
};

class TrainingSession {
 public:
  TrainingSession(TrainingRun run, bool json);  // what happens is shown, and heard by the run's own on_start
  // Runs to the end (or to Ctrl-C, then throws).
  RunSummary run(bool print_done = true);
  void print_done(const RunSummary& done, const std::string& sample = {},
                  const std::vector<JsonLine>& compressed = {}) const;
  const Curves& curves() const { return curves_; }
  const std::optional<TrainPlan>& plan() const { return plan_; }

 private:
  double now() const;
  RunSummary to_the_end();
  void started(const TrainPlan& plan, std::int64_t first_step);
  void stepped(const StepEvent& e);
  void evaluated(const EvalEvent& e);
  void say(const std::string& text);  // from any thread

  TrainingRun run_;
  bool json_;
  double begin_;
  std::mutex speaking_;  // of progress_ and stderr: a stop is said by another thread
  std::optional<Progress> progress_;
  std::optional<EventWriter> events_;
  std::optional<TrainPlan> plan_;
  Curves curves_;
  std::int64_t skipped_ = 0;  // steps
};

}  // namespace hone::cli
