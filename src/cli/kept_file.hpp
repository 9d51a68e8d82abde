// Small files that the program leaves in a folder, to know later what it did there.
#pragma once
#include <string>

namespace hone::cli {

// What the file says; nothing where there is none. Error(input) for what is no regular file: a pipe would
// wait for its writer.
std::string kept_text(const std::string& path);

}  // namespace hone::cli
