// hone computes with denormals and round-to-nearest, whatever its host has set (a program linked with
// -Ofast flushes denormals, which would change AdamW's moments).
#pragma once

namespace hone {

void set_standard_float_mode();

// Sets the standard mode for the length of a call and puts the caller's back.
class FloatModeGuard {
 public:
  FloatModeGuard();
  ~FloatModeGuard();
  FloatModeGuard(const FloatModeGuard&) = delete;
  FloatModeGuard& operator=(const FloatModeGuard&) = delete;

 private:
  unsigned saved_;
};

}  // namespace hone
