// The folder of a checkpoint: state.json, and the tensors of which it has the digest.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "file/safetensors.hpp"
#include "train/loss_scaler.hpp"

namespace hone {

struct CheckpointState {
  std::int64_t steps;
  std::map<std::string, std::string> notes;
  std::string hash;  // of the tensors' file
  std::string optimizer{};
  std::optional<LossScaler::State> scaling{};  // none: no step was ever scaled or skipped
};

struct Checkpoint {
  CheckpointState state;
  SafetensorsFile tensors;
};

// Error(input) where a file is missing, damaged, or of a format that is not read.
CheckpointState read_checkpoint_state(const std::string& folder);  // state.json alone
Checkpoint open_checkpoint(const std::string& folder);             // the tensors against their digest too

}  // namespace hone
