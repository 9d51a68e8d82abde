// The folder of a run: checkpoints, what it was started with, the finished model.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "hone/training_run.hpp"

namespace hone {

// What decides the bits of a run, as text by option name; kept in its checkpoints.
std::map<std::string, std::string> fingerprint(const TrainingRun& run, const TrainPlan& plan,
                                               const Text& text);

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::optional<std::string> last_checkpoint() const;
  // Writes the checkpoint of the trainer's step; the one before it stays, older ones go.
  void save(const Trainer& trainer, const std::map<std::string, std::string>& notes) const;
  // Loads it. Throws Error(usage) naming an option that was another when the run began.
  // Returns what was kept with it.
  std::map<std::string, std::string> resume(Trainer& trainer, const std::string& checkpoint,
                                            const std::map<std::string, std::string>& notes) const;
  void remove_checkpoints() const;

 private:
  std::vector<std::string> checkpoints() const;  // oldest first
  std::string path_;
};

}  // namespace hone
