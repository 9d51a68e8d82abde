// The version, in its one place; CMake, pkg-config and `hone --version` read it from here.
//
//   if (std::strcmp(hone::version(), HONE_VERSION) != 0) std::puts("compiled against another hone");
#pragma once
#include "hone/error.hpp"

#define HONE_VERSION "0.1.0"

namespace hone {
HONE_API const char* version();  // of the library that is linked, "major.minor.patch"
}  // namespace hone
