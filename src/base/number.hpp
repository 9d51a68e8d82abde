// Numbers as text that no locale changes: printf and strtod write and read a comma where the host has set
// one.
#pragma once
#include <charconv>
#include <string>
#include <string_view>

namespace hone {

// The shortest text that reads back to the same value.
template <class Real>
std::string to_text(Real value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

// As printf's %.<digits>g has it in the C locale.
inline std::string to_text(double value, int digits) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr};
}

// The value of what to_text wrote; 0 for what is no number.
inline double from_text(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The double that is written as shortly as the float: 0.1 for 0.1f, whose exact value is 0.100000001490116...
inline double as_written(float value) { return from_text(to_text(value)); }

}  // namespace hone
