#include "kernel/isa/optimizer_isa.hpp"

#include "kernel/isa/adamw_loop.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

constexpr int wide = lanes / 2, parts = 8 / wide;  // doubles in a vector; a sum has 8 lanes
typedef double D __attribute__((vector_size(wide * 8)));
typedef float HalfF __attribute__((vector_size(wide * 4)));

// In f64, whose squares don't overflow before the norm itself would. Memory is the limit all the same.
double sum_of_squares(const float* x, std::int64_t n) {
  D s[4][parts] = {};
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < parts; ++k) {
        HalfF h;
        std::memcpy(&h, x + i + j * 8 + k * wide, sizeof h);
        const D d = __builtin_convertvector(h, D);
        s[j][k] += d * d;
      }
  double total = 0;
  for (int k = 0; k < parts; ++k) {
    const D all = (s[0][k] + s[1][k]) + (s[2][k] + s[3][k]);
    for (int lane = 0; lane < wide; ++lane) total += all[lane];
  }
  for (; i < n; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

void adamw(const AdamWCoefficients& c, const UpdatedWeight& w, const float* gradient, float* m, float* v,
           Out low, std::int64_t n) {
  adamw_any(c, w, gradient, m, v, low, n);
}

}  // namespace

const OptimizerTable optimizer_table{sum_of_squares, adamw};

}  // namespace hone::kernel::HONE_ISA
