// The folder of a run: checkpoints, what it was started with, the finished model.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hone/training_run.hpp"
#include "train/training_data.hpp"

namespace hone {

// How the command calls the folder that it writes to.
std::string out_name(const TrainingRun& run);

// What a run was started with: what it is made of, by digests of contents (a file may move), and options.
// Kept in its checkpoints, as text by name.
class RunIdentity {
 public:
  using Notes = std::map<std::string, std::string>;

  // `trainer` has the weights that the run begins with.
  RunIdentity(const TrainingRun& run, const Trainer& trainer, const TrainingData& data);

  Notes notes() const;  // of a checkpoint
  // Error(usage) that says what differs from a checkpoint's notes, of what a run keeps to its end. What they
  // lack is not compared.
  void require_same(const Notes& notes) const;
  // What changes after so many steps, and may: a line each.
  std::vector<std::string> changes(const Notes& notes, std::int64_t step) const;

 private:
  [[noreturn]] void refuse_config(const Notes& notes, const std::string& was, const std::string& now) const;
  void add_sizes(const std::map<std::string, std::int64_t, std::less<>>& sizes);
  void add_teaching(const DistillOptions& options);
  void add_pruning(const GradualPruning& options, std::int64_t steps);
  void add_options(const TrainingRun& run, const TrainPlan& plan);
  struct Kept {
    std::string key, what, value;  // "the run was started with another WHAT"
  };

  TrainingRun run_;
  std::string isa_;
  std::vector<Kept>
      kept_;  // in the order in which a difference is told: causes before what follows from them
};

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::optional<std::string> last_checkpoint() const;
  // The tokenizer.json of the newest checkpoint where that file is whole: a run goes on with its own.
  std::optional<std::string> tokenizer() const;
  // Error(usage) where the run would replace here what no run has made: the model that it begins with, its
  // teacher, another model or its tokenizer.
  void require_own(const TrainingRun& run, const Tokenizer& tokenizer) const;
  // Begins to write the checkpoint of the trainer's step beside the training. Once it is on disk, the newest
  // `keep` stay and older ones go, and what was left of killed saves; a damaged one stays until there is one
  // of its own step or a later one.
  void save(Trainer& trainer, CheckpointOptions options, std::int64_t keep) const;
  // Loads the last checkpoint that is whole, where there are any, unless `check` throws at its notes, and
  // returns its folder. Damaged ones behind it are set aside as NAME.damaged, and `say` hears so.
  // Error(input) where there are some and none is whole.
  std::optional<std::string> resume(Trainer& trainer,
                                    const std::function<void(const RunIdentity::Notes&)>& check,
                                    const std::function<void(const std::string&)>& say) const;
  // Without a save the same: older ones than the newest `keep` go.
  void keep_newest(std::int64_t keep) const;
  void remove_checkpoints() const;

 private:
  std::string folder() const { return path_ + "/checkpoints"; }
  std::vector<std::string> checkpoints() const;  // oldest first
  void tidy(const std::string& newest, std::int64_t keep) const;
  std::string path_;
};

}  // namespace hone
