#include "kernel/isa/norm_isa.hpp"

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

// One row at a time, in four passes over a row that stays in L1 (3 KB at C = 768): sum, mean, variance about
// that mean (the one-pass form loses digits), result.
void forward(const NormRows& a, std::int64_t first_row, std::int64_t rows) {
  const std::int64_t C = a.C;
  for (std::int64_t r = first_row; r < first_row + rows; ++r) {
    const float* x = a.x + r * C;
    if (a.addend.data) {
      float* s = a.sum + r * C;
      typed(a.addend, [&](auto* addend) {
        each(C, [&](std::int64_t i, auto part) {
          put(s + i, get(x + i, part) + get(addend + r * C + i, part), part);
        });
      });
      x = s;
    }
    const float mean = sum_of(C, [&](std::int64_t i, auto part) { return get(x + i, part); }) / C;
    const float squares = sum_of(C, [&](std::int64_t i, auto part) {
      const F d = keep(get(x + i, part) - splat(mean), F{}, part);
      return d * d;
    });
    const float variance = squares / C;
    const float rstd = 1.0f / __builtin_sqrtf(variance + a.epsilon);
    typed(a.y, [&](auto* y) {
      each(C, [&](std::int64_t i, auto part) {
        const F normal = (get(x + i, part) - splat(mean)) * splat(rstd);
        put(y + r * C + i, fma(normal, get(a.gamma + i, part), get(a.beta + i, part)), part);
      });
    });
    a.mean[r] = mean;
    a.rstd[r] = rstd;
  }
}

// R rows side by side hide the latency of their sums and save loads of gamma and of dgamma's and dbeta's
// partial sums; each row's and each column's order is that of R = 1.
//   d = dy gamma, h = (x - mean) rstd, dx = rstd (d - mean(d) - h mean(d h))
template <int R, bool add, bool sums, class T>
HONE_INLINE void gradient_block(const NormGradientRows& a, const T* dy, std::int64_t row, float* dgamma,
                                float* dbeta) {
  const std::int64_t C = a.C;
  const float* x = a.x + row * C;
  dy += row * C;
  F mean[R], rstd[R], sum_d[R][sum_parts] = {}, sum_dh[R][sum_parts] = {}, mean_d[R], mean_dh[R];
  for (int k = 0; k < R; ++k) {
    mean[k] = splat(a.mean[row + k]);
    rstd[k] = splat(a.rstd[row + k]);
  }
  each_summed(C, [&](std::int64_t i, int s, auto part) {
    const F gamma = get(a.gamma + i, part);
    for (int k = 0; k < R; ++k) {
      const F d = get(dy + k * C + i, part) * gamma;
      const F h = (get(x + k * C + i, part) - mean[k]) * rstd[k];
      sum_d[k][s] += d;
      sum_dh[k][s] = fma(d, h, sum_dh[k][s]);
    }
  });
  for (int k = 0; k < R; ++k) {
    mean_d[k] = splat(sum(sum_d[k]) / C);
    mean_dh[k] = splat(sum(sum_dh[k]) / C);
  }
  each(C, [&](std::int64_t i, auto part) {
    const F gamma = get(a.gamma + i, part);
    F g = sums ? get(dgamma + i, part) : F{}, b = sums ? get(dbeta + i, part) : F{};
    for (int k = 0; k < R; ++k) {
      const F y = get(dy + k * C + i, part);
      const F h = (get(x + k * C + i, part) - mean[k]) * rstd[k];
      F dx = rstd[k] * (y * gamma - mean_d[k] - h * mean_dh[k]);
      const std::int64_t at = (row + k) * C + i;
      if (add) dx = get(a.addend + at, part) + dx;
      put(a.dx + at, dx, part);
      g = fma(y, h, g);
      b += y;
    }
    if (sums) {
      put(dgamma + i, g, part);
      put(dbeta + i, b, part);
    }
  });
}

template <bool add, bool sums, class T>
void gradient_rows(const NormGradientRows& a, const T* dy, std::int64_t row, std::int64_t rows, float* dgamma,
                   float* dbeta) {
  const std::int64_t end = row + rows;
  for (; row + 4 <= end; row += 4) gradient_block<4, add, sums>(a, dy, row, dgamma, dbeta);
  for (; row < end; ++row) gradient_block<1, add, sums>(a, dy, row, dgamma, dbeta);
}

void gradient(const NormGradientRows& a, std::int64_t row, std::int64_t rows, float* dgamma, float* dbeta) {
  if (dgamma)
    each(a.C, [&](std::int64_t i, auto part) {
      put(dgamma + i, F{}, part);
      put(dbeta + i, F{}, part);
    });
  typed(a.dy, [&](auto* dy) {
    if (a.addend && dgamma)
      gradient_rows<true, true>(a, dy, row, rows, dgamma, dbeta);
    else if (a.addend)
      gradient_rows<true, false>(a, dy, row, rows, dgamma, dbeta);
    else if (dgamma)
      gradient_rows<false, true>(a, dy, row, rows, dgamma, dbeta);
    else
      gradient_rows<false, false>(a, dy, row, rows, dgamma, dbeta);
  });
}

void gradient_columns(const NormGradientRows& a, std::int64_t first_row, std::int64_t rows,
                      std::int64_t first, std::int64_t columns, float* dgamma, float* dbeta) {
  typed(a.dy, [&](auto* dy) {
    each(columns, [&](std::int64_t i, auto part) {
      const std::int64_t c = first + i;
      F g{}, b{};
      for (std::int64_t r = first_row; r < first_row + rows; ++r) {
        const F y = get(dy + r * a.C + c, part);
        g = fma(y, (get(a.x + r * a.C + c, part) - splat(a.mean[r])) * splat(a.rstd[r]), g);
        b += y;
      }
      put(dgamma + c, get(dgamma + c, part) + g, part);
      put(dbeta + c, get(dbeta + c, part) + b, part);
    });
  });
}

}  // namespace

const NormTable norm_table{forward, gradient, gradient_columns};

}  // namespace hone::kernel::HONE_ISA
