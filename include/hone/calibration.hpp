// The sample of text that a compression learns from.
//
//   const hone::CalibrationOptions sample{.windows = 128, .seq = 1024};
//   std::printf("%ld tokens\n", long(sample.windows * sample.seq));
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "hone/error.hpp"

namespace hone {

struct CalibrationOptions {
  // So many windows of so many tokens, spread evenly over the text's training part; fewer where it is short.
  std::int64_t windows = 64;
  std::int64_t seq = 512;  // at most the model's context
  // Computed at once, or a window where that has more: fewer take less memory, and change no number.
  std::int64_t positions = 2048;
  int threads = 0;    // 0: all cores
  std::string isa{};  // of instruction_sets(); empty: the best that this CPU has
  // A file for what is measured: made where it is not there, else used, if it is of this model, text and
  // sample (Error(input) where it is not). Layers are then weighed as the unchanged model has them; without,
  // each as those before it, already compressed, leave its inputs.
  std::string kept{};
  std::function<void(std::int64_t done, std::int64_t all)> progress{};  // parts of the model
};

// Before the work that is to be kept: Error(failed) where CalibrationOptions::kept is not there and cannot be
// made, Error(input) where it is no file.
HONE_API void require_calibration_file(const std::string& path);

}  // namespace hone
