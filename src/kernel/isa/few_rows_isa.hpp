// What kernel/few_rows.cpp hands to the loops of few_rows.cpp, which are compiled once per instruction set.
#pragma once
#include <cstdint>

#include "kernel/gemm.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

struct FewRowsTable {
  void (*columns)(const Gemm&, std::int64_t first, std::int64_t count);  // of C, all its rows
};

HONE_BUILDS(FewRowsTable, few_rows_table);

}  // namespace hone::kernel
