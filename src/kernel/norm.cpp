#include "kernel/norm.hpp"

#include <algorithm>

#include "kernel/divide.hpp"
#include "kernel/isa/norm_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t task_elements =
    16384;  // 64 KB a stream: a few us of work, far more than a task's 0.1 us

std::int64_t pieces_per_sequence(const NormGradient& a) { return divide_up(a.positions, piece_positions); }

struct Piece {
  std::int64_t first_row, rows;
};
Piece piece(const NormGradient& a, std::int64_t number) {
  const std::int64_t per_sequence = pieces_per_sequence(a);
  const std::int64_t position = number % per_sequence * piece_positions;
  return {number / per_sequence * a.positions + position, std::min(piece_positions, a.positions - position)};
}

// Partial sums of this many pieces are held at once; many, for the sake of sequences of a few positions.
std::int64_t wave_pieces(const NormGradient& a, int threads) {
  return std::min<std::int64_t>(a.sequences * pieces_per_sequence(a), std::max(64, 4 * threads));
}

// Where pieces are too few to keep every thread busy, rows are shared out for dx and then columns for the
// sums, which reads dy and x twice. Either way gives the same bits.
bool by_columns(const NormGradient& a, int threads) {
  return threads > 1 && a.sequences * pieces_per_sequence(a) < 2 * threads;
}

void by_rows(const NormGradient& a, const NormGradientRows& rows, const NormTable& f, ThreadPool& pool) {
  const std::int64_t total = a.sequences * a.positions;
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / a.C);
  pool.run(divide_up(total, step), [&](std::int64_t task, int) {
    f.gradient(rows, task * step, std::min(step, total - task * step), nullptr, nullptr);
  });
}

void sum_by_columns(const NormGradient& a, const NormGradientRows& rows, const NormTable& f,
                    ThreadPool& pool) {
  by_rows(a, rows, f, pool);
  constexpr std::int64_t columns = 64;
  const std::int64_t pieces = a.sequences * pieces_per_sequence(a);
  pool.run(divide_up(a.C, columns), [&](std::int64_t task, int) {
    const std::int64_t first = task * columns, count = std::min(columns, a.C - first);
    if (!a.accumulate) {
      std::fill_n(a.dgamma + first, count, 0.0f);
      if (a.dbeta) std::fill_n(a.dbeta + first, count, 0.0f);
    }
    for (std::int64_t i = 0; i < pieces; ++i) {
      const Piece p = piece(a, i);
      f.gradient_columns(rows, p.first_row, p.rows, first, count, a.dgamma, a.dbeta);
    }
  });
}

void sum_by_pieces(const NormGradient& a, const NormGradientRows& rows, const NormTable& f, ThreadPool& pool,
                   float* partial) {
  const std::int64_t C = a.C, pieces = a.sequences * pieces_per_sequence(a),
                     wave = wave_pieces(a, pool.threads());
  if (!a.accumulate) {
    std::fill_n(a.dgamma, C, 0.0f);
    if (a.dbeta) std::fill_n(a.dbeta, C, 0.0f);
  }
  for (std::int64_t first = 0; first < pieces; first += wave) {
    const std::int64_t count = std::min(wave, pieces - first);
    pool.run(count, [&](std::int64_t i, int) {
      const Piece p = piece(a, first + i);
      f.gradient(rows, p.first_row, p.rows, partial + 2 * i * C, partial + (2 * i + 1) * C);
    });
    constexpr std::int64_t columns = 256;
    pool.run(divide_up(C, columns), [&](std::int64_t task, int) {
      for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t c = task * columns; c < std::min(C, (task + 1) * columns); ++c) {
          a.dgamma[c] += partial[2 * i * C + c];
          if (a.dbeta) a.dbeta[c] += partial[(2 * i + 1) * C + c];
        }
    });
  }
}

}  // namespace

std::int64_t scratch_bytes(const NormGradient& a, int threads) {
  return !a.sums || by_columns(a, threads) ? 0 : wave_pieces(a, threads) * 2 * a.C * 4;
}

void run(const Norm& a, Isa isa, ThreadPool& pool) {
  const NormRows rows{a.C, a.x, a.gamma, a.beta, a.epsilon, a.offset, a.y, a.mean, a.rstd};
  const std::int64_t step = std::max<std::int64_t>(1, task_elements / a.C);
  const NormTable& f = norm_table_of(isa);
  pool.run(divide_up(a.rows, step), [&](std::int64_t task, int) {
    f.forward(rows, task * step, std::min(step, a.rows - task * step));
  });
}

void run(const NormGradient& a, Isa isa, ThreadPool& pool, void* scratch) {
  const NormGradientRows rows{a.C, a.dy, a.x, a.gamma, a.mean, a.rstd, a.offset, a.addend, a.dx};
  if (!a.sums)
    by_rows(a, rows, norm_table_of(isa), pool);
  else if (by_columns(a, pool.threads()))
    sum_by_columns(a, rows, norm_table_of(isa), pool);
  else
    sum_by_pieces(a, rows, norm_table_of(isa), pool, static_cast<float*>(scratch));
}

}  // namespace hone::kernel
