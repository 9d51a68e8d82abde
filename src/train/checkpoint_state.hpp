// state.json of a checkpoint: what the step after it needs to know besides tensors.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "train/loss_scaler.hpp"

namespace hone {

struct CheckpointState {
  std::int64_t steps = 0;
  std::string optimizer{}, task{};
  std::set<std::string> files{};  // beside it in the folder; not checksums
  std::map<std::string, std::string> notes{};
  std::optional<LossScaler::State> scaling{};  // none: no step was ever scaled or skipped
};

std::string checkpoint_state_text(const CheckpointState& state);
// Error(input), opened by `where`, for other text, for a format that is not read, and for numbers that no run
// comes to.
CheckpointState parse_checkpoint_state(std::string_view text, const std::string& where);

}  // namespace hone
