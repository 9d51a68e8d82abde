// Digests of files: XXH3-128 as 32 hex digits.
#pragma once
#include <string>

namespace hone {
std::string hash_file(const std::string& path);
}
