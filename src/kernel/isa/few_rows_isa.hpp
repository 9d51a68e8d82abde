// What kernel/few_rows.cpp hands to the loops of few_rows.cpp, which are compiled once per instruction set.
#pragma once
#include <cstdint>

#include "kernel/gemm.hpp"

namespace hone::kernel {

struct FewRowsTable {
  void (*columns)(const Gemm&, std::int64_t first, std::int64_t count);  // of C, all its rows
};

namespace portable {
extern const FewRowsTable few_rows_table;
}
namespace avx2 {
extern const FewRowsTable few_rows_table;
}
namespace avx512 {
extern const FewRowsTable few_rows_table;
}

}  // namespace hone::kernel
