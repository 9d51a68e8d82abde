// What kernel/few_rows.cpp hands to the loops of few_rows.cpp, which are compiled once per instruction set.
#pragma once
#include <cstdint>

#include "kernel/gemm.hpp"
#include "kernel/isa/blocks_isa.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// Some columns of C, all its rows.
struct FewRowsTable {
  void (*columns)(const Gemm&, std::int64_t first, std::int64_t count);  // A is f32, or of B's type
  void (*coded_columns)(const Gemm&, const CodedRows& a, std::int64_t first, std::int64_t count);
};

HONE_VNNI_BUILDS(FewRowsTable, few_rows_table);

}  // namespace hone::kernel
