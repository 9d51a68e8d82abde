// Rotation of the rows of one task; see kernel/rotate.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/rotate.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct RotateTable {
  void (*rotate)(const Rotate&, std::int64_t first_row, std::int64_t rows);
};

HONE_BUILDS(RotateTable, rotate_table);

}  // namespace hone::kernel
