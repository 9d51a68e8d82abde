#include "kernel/isa/norm_isa.hpp"

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

template <bool centred, class Part>
HONE_INLINE F gamma_of(const float* gamma, float offset, Part part) {
  return centred ? get(gamma, part) : get(gamma, part) + splat(offset);
}

// One row at a time, in passes over a row that stays in L1 (3 KB at C = 768): mean, variance about that mean
// (the one-pass form loses digits), result.
template <bool centred>
void forward_rows(const NormRows& a, std::int64_t first_row, std::int64_t rows) {
  const std::int64_t C = a.C;
  for (std::int64_t r = first_row; r < first_row + rows; ++r) {
    const float* x = a.x + r * C;
    const float mean =
        centred ? sum_of(C, [&](std::int64_t i, auto part) { return get(x + i, part); }) / C : 0;
    const float squares = sum_of(C, [&](std::int64_t i, auto part) {
      const F d = centred ? first_of(get(x + i, part) - splat(mean), F{}, part) : get(x + i, part);
      return d * d;
    });
    const float variance = squares / C;
    const float rstd = 1.0f / __builtin_sqrtf(variance + a.epsilon);
    typed(a.y, [&](auto* y) {
      each(C, [&](std::int64_t i, auto part) {
        const F from = centred ? get(x + i, part) - splat(mean) : get(x + i, part);
        const F normal = from * splat(rstd), gamma = gamma_of<centred>(a.gamma + i, a.offset, part);
        put(y + r * C + i, centred ? fma(normal, gamma, get(a.beta + i, part)) : normal * gamma, part);
      });
    });
    if (centred) a.mean[r] = mean;
    a.rstd[r] = rstd;
  }
}

void forward(const NormRows& a, std::int64_t first_row, std::int64_t rows) {
  a.mean ? forward_rows<true>(a, first_row, rows) : forward_rows<false>(a, first_row, rows);
}

// R rows side by side hide the latency of their sums and save loads of gamma and of dgamma's and dbeta's
// partial sums; each row's and each column's order is that of R = 1.
//   d = dy gamma, h = (x - mean) rstd, dx = rstd (d - mean(d) - h mean(d h)); about zero without the means of
//   x and of d
template <int R, bool centred, bool add, bool sums, class T>
HONE_INLINE void gradient_block(const NormGradientRows& a, const T* dy, std::int64_t row, float* dgamma,
                                float* dbeta) {
  const std::int64_t C = a.C;
  const float* x = a.x + row * C;
  dy += row * C;
  F mean[R], rstd[R], sum_d[R][sum_parts] = {}, sum_dh[R][sum_parts] = {}, mean_d[R], mean_dh[R];
  for (int k = 0; k < R; ++k) {
    if (centred) mean[k] = splat(a.mean[row + k]);
    rstd[k] = splat(a.rstd[row + k]);
  }
  each_summed(C, [&](std::int64_t i, int s, auto part) {
    const F gamma = gamma_of<centred>(a.gamma + i, a.offset, part);
    for (int k = 0; k < R; ++k) {
      const F d = get(dy + k * C + i, part) * gamma;
      const F h = (centred ? get(x + k * C + i, part) - mean[k] : get(x + k * C + i, part)) * rstd[k];
      if (centred) sum_d[k][s] += d;
      sum_dh[k][s] = fma(d, h, sum_dh[k][s]);
    }
  });
  for (int k = 0; k < R; ++k) {
    if (centred) mean_d[k] = splat(sum(sum_d[k]) / C);
    mean_dh[k] = splat(sum(sum_dh[k]) / C);
  }
  each(C, [&](std::int64_t i, auto part) {
    const F gamma = gamma_of<centred>(a.gamma + i, a.offset, part);
    F g = sums ? get(dgamma + i, part) : F{}, b = sums && centred ? get(dbeta + i, part) : F{};
    for (int k = 0; k < R; ++k) {
      const F y = get(dy + k * C + i, part);
      const F h = (centred ? get(x + k * C + i, part) - mean[k] : get(x + k * C + i, part)) * rstd[k];
      F dx = rstd[k] * ((centred ? y * gamma - mean_d[k] : y * gamma) - h * mean_dh[k]);
      const std::int64_t at = (row + k) * C + i;
      if (add) dx = get(a.addend + at, part) + dx;
      put(a.dx + at, dx, part);
      g = fma(y, h, g);
      if (centred) b += y;
    }
    if (sums) put(dgamma + i, g, part);
    if (sums && centred) put(dbeta + i, b, part);
  });
}

template <bool centred, bool add, bool sums, class T>
void gradient_rows(const NormGradientRows& a, const T* dy, std::int64_t row, std::int64_t rows, float* dgamma,
                   float* dbeta) {
  const std::int64_t end = row + rows;
  for (; row + 4 <= end; row += 4) gradient_block<4, centred, add, sums>(a, dy, row, dgamma, dbeta);
  for (; row < end; ++row) gradient_block<1, centred, add, sums>(a, dy, row, dgamma, dbeta);
}

template <bool centred>
void gradient_about(const NormGradientRows& a, std::int64_t row, std::int64_t rows, float* dgamma,
                    float* dbeta) {
  if (dgamma)
    each(a.C, [&](std::int64_t i, auto part) {
      put(dgamma + i, F{}, part);
      if (centred) put(dbeta + i, F{}, part);
    });
  typed(a.dy, [&](auto* dy) {
    if (a.addend && dgamma)
      gradient_rows<centred, true, true>(a, dy, row, rows, dgamma, dbeta);
    else if (a.addend)
      gradient_rows<centred, true, false>(a, dy, row, rows, dgamma, dbeta);
    else if (dgamma)
      gradient_rows<centred, false, true>(a, dy, row, rows, dgamma, dbeta);
    else
      gradient_rows<centred, false, false>(a, dy, row, rows, dgamma, dbeta);
  });
}

void gradient(const NormGradientRows& a, std::int64_t row, std::int64_t rows, float* dgamma, float* dbeta) {
  a.mean ? gradient_about<true>(a, row, rows, dgamma, dbeta)
         : gradient_about<false>(a, row, rows, dgamma, dbeta);
}

template <bool centred>
void gradient_columns_about(const NormGradientRows& a, std::int64_t first_row, std::int64_t rows,
                            std::int64_t first, std::int64_t columns, float* dgamma, float* dbeta) {
  typed(a.dy, [&](auto* dy) {
    each(columns, [&](std::int64_t i, auto part) {
      const std::int64_t c = first + i;
      F g{}, b{};
      for (std::int64_t r = first_row; r < first_row + rows; ++r) {
        const F y = get(dy + r * a.C + c, part);
        const F x = get(a.x + r * a.C + c, part);
        g = fma(y, (centred ? x - splat(a.mean[r]) : x) * splat(a.rstd[r]), g);
        if (centred) b += y;
      }
      put(dgamma + c, get(dgamma + c, part) + g, part);
      if (centred) put(dbeta + c, get(dbeta + c, part) + b, part);
    });
  });
}

void gradient_columns(const NormGradientRows& a, std::int64_t first_row, std::int64_t rows,
                      std::int64_t first, std::int64_t columns, float* dgamma, float* dbeta) {
  a.mean ? gradient_columns_about<true>(a, first_row, rows, first, columns, dgamma, dbeta)
         : gradient_columns_about<false>(a, first_row, rows, first, columns, dgamma, dbeta);
}

}  // namespace

const NormTable norm_table{forward, gradient, gradient_columns};

}  // namespace hone::kernel::HONE_ISA
