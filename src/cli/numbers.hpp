// Numbers on the command line. The parser alone takes 010 for eight, -1 for a large seed, and what is too
// large for the largest there is.
#pragma once
#include <cstdint>
#include <string>

namespace hone::cli {

// What is wrong with the text of a T (int, a 64-bit integer, float or double), or nothing; it may be
// rewritten for the parser. Instantiated in numbers.cpp.
template <class T>
std::string check_number(std::string& text);

// "1GiB", "700M", "1.5 GB", "4096": bytes; letters of either case. Error(usage), said of `option`, for what
// is none, or not above 0.
std::int64_t bytes_from_text(const std::string& text, const std::string& option);

}  // namespace hone::cli
