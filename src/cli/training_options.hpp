// The options of a training run, as `train`, `plan` and `demo` take them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "hone/training_run.hpp"

namespace hone::cli {

struct TrainingOptions {
  TrainingRun run;
  std::string precision = "f32", master = "f32", schedule = "cosine", resume = "auto", too_long = "error";
  std::string loss_scale;  // none: dynamic where the precision is fp16
  double lr = 1e-3, min_lr = 0, clip = 1;
  std::optional<double> adamw_lr;                        // none: as the optimizer has it
  std::map<std::string, std::optional<double>> scalars;  // the same, by their names in hyperparameters()
  std::string recipe;  // only for --help: arguments.cpp takes it out of the command line
  std::optional<double> dropout, label_smoothing;
  std::string allow;
  std::int64_t lora_rank = 0;  // 0: the model itself is trained
  std::optional<double> lora_alpha, lora_dropout;
  std::string lora_targets;
  bool lora_rslora = false;
  std::optional<double> sparsity;  // none: nothing is pruned
  GradualPruning pruning;          // all else of it
  int qat_bits = 0;                // 0: weights are read as they are
  QatOptions qat;                  // all else of it
  bool qat_symmetric = false;
  std::uint64_t seed = 0;

  void add_to(Command& command);
  void add_rest_to(Command& command);     // all but which model, and where to
  void add_running_to(Command& command);  // of them: where it runs, and what stays of it
  std::optional<LoraOptions> lora() const;
  std::optional<GradualPruning> gradual_pruning() const;
  std::optional<QatOptions> quantization_aware() const;
  TrainingRun finished() const;  // with what was typed turned into what the library takes

 private:
  void add_samples_to(Command& command);  // what is learned from, and how much of it at once
  void add_numbers_to(Command& command);  // types of numbers
  void add_updates_to(Command& command);  // optimizer, schedule, what is added to a loss
  void add_pruning_to(Command& command);
  void add_qat_to(Command& command);
  void add_trained_to(Command& command);  // which weights: an adapter's, corrections
};

}  // namespace hone::cli
