#include "kernel/isa/optimizer_isa.hpp"

#include "kernel/isa/adamw_loop.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

constexpr int wide = lanes / 2, parts = 8 / wide;  // doubles in a vector; a sum has 8 lanes
typedef double D __attribute__((vector_size(wide * 8)));
typedef float HalfF __attribute__((vector_size(wide * 4)));

HONE_INLINE const float* in_f32(const float* x, float*) { return x; }
HONE_INLINE const float* in_f32(const bf16* x, float* room) {
  for (int i = 0; i < 32; i += lanes) store(room + i, load(x + i));
  return room;
}
HONE_INLINE double square(const float* x) { return static_cast<double>(*x) * *x; }
HONE_INLINE double square(const bf16* x) {
  const double d = load_first(x, 1)[0];
  return d * d;
}

// In f64, whose squares don't overflow before the norm itself would. Memory is the limit all the same.
template <class T>
double squares_of(const T* x, std::int64_t n) {
  alignas(64) float wide_x[32];
  D s[4][parts] = {};
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const float* block = in_f32(x + i, wide_x);
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < parts; ++k) {
        HalfF h;
        std::memcpy(&h, block + j * 8 + k * wide, sizeof h);
        const D d = __builtin_convertvector(h, D);
        s[j][k] += d * d;
      }
  }
  double total = 0;
  for (int k = 0; k < parts; ++k) {
    const D all = (s[0][k] + s[1][k]) + (s[2][k] + s[3][k]);
    for (int lane = 0; lane < wide; ++lane) total += all[lane];
  }
  for (; i < n; ++i) total += square(x + i);
  return total;
}

double sum_of_squares(const In& x, std::int64_t n) {
  if (x.type == Element::bf16) return squares_of(static_cast<const bf16*>(x.data), n);
  return squares_of(static_cast<const float*>(x.data), n);
}

void adamw(const AdamWCoefficients& c, const UpdatedWeight& w, const In& gradient, float* m, float* v,
           Out low, std::int64_t n) {
  adamw_any(c, w, gradient, m, v, low, n);
}

}  // namespace

const OptimizerTable optimizer_table{sum_of_squares, adamw};

}  // namespace hone::kernel::HONE_ISA
