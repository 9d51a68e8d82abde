// Text on its way out: columns on a terminal, digits in groups, the escapes of HTML and SVG.
#pragma once
#include <string>
#include <string_view>

namespace hone {

// Code points of UTF-8 text, each taken as one column (wide and combining characters are not told apart).
std::size_t text_columns(std::string_view text);

// The text, or its beginning and "…" where it has more columns than these.
std::string shortened(std::string_view text, std::size_t columns);

// The nearest integer, with a comma at every third digit.
std::string with_commas(double n);

// Valid UTF-8 in which no character means anything to HTML or XML, within attributes too. Bytes that are no
// UTF-8 (a byte-level model's sample) and control characters become U+FFFD; newline and tab stay.
std::string escape_markup(std::string_view text);

}  // namespace hone
