// The options of a training run, as `train`, `plan` and `demo` take them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "hone/training_run.hpp"

namespace hone::cli {

struct TrainingOptions {
  TrainingRun run;
  std::string precision = "f32", schedule = "cosine", resume = "auto", optimizer = "adamw";
  double lr = 1e-3, min_lr = 0, beta1 = 0.9, beta2 = 0.95, weight_decay = 0.1, clip = 1, epsilon = 1e-8;
  std::string recipe;  // only for --help: arguments.cpp takes it out of the command line
  std::optional<double> dropout;
  std::uint64_t seed = 0;

  void add_to(Command& command, bool needs_out);
  TrainingRun finished() const;  // with what was typed turned into what the library takes
};

}  // namespace hone::cli
