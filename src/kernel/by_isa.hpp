// Which of a kernel's three builds to call.
#pragma once
#include <cstdint>

#include "machine/isa.hpp"

namespace hone::kernel {

template <class Table>
const Table& by_isa(Isa isa, const Table& portable, const Table& avx2, const Table& avx512) {
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : portable;
}

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace hone::kernel
