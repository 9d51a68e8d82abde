// Rows of a table [V,C] that is kept as a tensor train (Oseledets, 2011; of tables Hrinchuk et al., arXiv
// 1901.10787): V and C are products of two or three numbers each, V at most, and the table is a chain of as
// many cores. With an id's digits i_k in the mixed base of the cores' rows, the last one running fastest, the
// row is
//
//   G_1[i_1] G_2[i_2] G_3[i_3],  G_k[i_k] a matrix [left_k, columns_k right_k]
//
// of which each product [m, left] [left, columns right] is read as [m columns, right] by the next.
#pragma once
#include <array>
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

inline constexpr int most_cores = 3;

struct Core {
  std::int64_t rows = 1, left = 1, columns = 1, right = 1;
  In values{};  // [rows,left,columns,right], of a floating type
};
struct TensorTrain {
  int count = 0;
  std::array<Core, most_cores> cores{};
  std::int64_t columns() const;  // C
};

// y[r] = row ids[r], or first + r where there are no ids; rounded to `rounded`, kept in f32. A sum has one
// chain, over `left` in order; what ids before it have in common is not computed again, and changes no bit.
struct CoreRows {
  TensorTrain train{};
  std::int64_t rows = 0;
  const std::int32_t* ids = nullptr;
  std::int64_t first = 0;
  Element rounded = Element::f32;
  float* y = nullptr;  // [rows,C]
};

std::int64_t scratch_bytes(const CoreRows&, int threads);
void run(const CoreRows&, Isa, ThreadPool&, void* scratch);

// Multiply-adds, counted twice, of one row on its own.
double row_flops(const TensorTrain&);

}  // namespace hone::kernel
