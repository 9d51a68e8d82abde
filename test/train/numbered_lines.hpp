// A short text that a model can learn something of: 400 lines of numbers and their squares, by bytes.
#pragma once
#include <string>

#include "hone/text.hpp"

namespace hone {

inline Text numbered_lines() {
  std::string s;
  for (int i = 0; i < 400; ++i) s += "line " + std::to_string(i * i) + " of " + std::to_string(i) + "\n";
  return Text::of(s);
}

}  // namespace hone
