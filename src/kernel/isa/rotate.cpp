#include "kernel/isa/rotate_isa.hpp"

#include "kernel/isa/loops.hpp"

namespace hone::kernel::HONE_ISA {
namespace {

constexpr std::int64_t block = 64;  // frequencies at a time: their cosines and sines stay in L1 for all heads

struct Turns {
  float cosine[block], sine[block];
};

// cos and sin of rest + quarter turns, |rest| <= pi/4: minimax polynomials of errors 2e-10 and, relative,
// 4e-9, so what is left is the rounding of f32.
HONE_INLINE void cos_sin(F rest, I quarters, F& cosine, F& sine) {
  const F z = rest * rest;
  F s = fma(splat(-1.95172353e-4f), z, splat(8.332178e-3f));
  s = fma(fma(s, z, splat(-0.166666552f)), z * rest, rest);
  F c = fma(splat(2.44637704e-5f), z, splat(-1.38876541e-3f));
  c = fma(fma(c, z, splat(0.041666653f)), z * z, fma(z, splat(-0.5f), splat(1.0f)));
  const I odd = -(quarters & 1);
  const I minus_sine = (quarters & 2) << 30, minus_cosine = ((quarters + 1) & 2) << 30;
  sine = as_float(bits(select(odd, c, s)) ^ minus_sine);
  cosine = as_float(bits(select(odd, s, c)) ^ minus_cosine);
}

// The reduction in f64, where it needs no care: a position has 31 bits, a frequency 24, their product 53 for
// all positions below 2^29; n pi/2 is then off by 2^-33 at position 2^20. Plain loops, which g++ turns into
// vectors; nothing here is rounded by how it does.
void make_turns(const Rotate& a, std::int64_t first, std::int64_t n, std::int32_t position, Turns& turns) {
  constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52: the low bits then hold a whole number
  constexpr double quarter = 1.5707963267948966;
  float rest[block];
  std::int32_t quarters[block] = {};  // a tail reads past its end
  for (std::int64_t i = 0; i < n; ++i) {
    const double angle = static_cast<double>(position) * static_cast<double>(a.frequencies[first + i]);
    const double shifted = angle * (1 / quarter) + magic;
    rest[i] = static_cast<float>(angle - (shifted - magic) * quarter);
    std::uint64_t low;
    std::memcpy(&low, &shifted, sizeof low);
    quarters[i] = static_cast<std::int32_t>(low & 3);
  }
  each(n, [&](std::int64_t i, auto part) {
    F cosine, sine;
    I q;
    std::memcpy(&q, quarters + i, sizeof q);
    cos_sin(get(rest + i, part), q, cosine, sine);
    put(turns.cosine + i, cosine * splat(a.factor), part);
    put(turns.sine + i, (a.inverse ? -sine : sine) * splat(a.factor), part);
  });
}

template <class T>
void rotate_rows(const Rotate& a, const T* x, T* y, std::int64_t first_row, std::int64_t rows) {
  const std::int64_t half = a.width / 2;
  Turns turns;
  for (std::int64_t r = first_row; r < first_row + rows; ++r)
    for (std::int64_t first = 0; first < half; first += block) {
      const std::int64_t n = half - first < block ? half - first : block;
      make_turns(a, first, n, a.positions[r], turns);
      for (std::int64_t h = 0; h < a.heads; ++h) {
        const T* from = x + r * a.x_stride + h * a.D + first;
        T* to = y + r * a.y_stride + h * a.D + first;
        each(n, [&](std::int64_t i, auto part) {
          const F cosine = get(turns.cosine + i, part), sine = get(turns.sine + i, part);
          const F left = get(from + i, part), right = get(from + half + i, part);
          put(to + i, fma(left, cosine, -(right * sine)), part);
          put(to + half + i, fma(right, cosine, left * sine), part);
        });
      }
    }
  if (x == y || a.width == a.D) return;
  for (std::int64_t r = first_row; r < first_row + rows; ++r)
    for (std::int64_t h = 0; h < a.heads; ++h)
      std::memcpy(y + r * a.y_stride + h * a.D + a.width, x + r * a.x_stride + h * a.D + a.width,
                  static_cast<std::size_t>(a.D - a.width) * sizeof(T));
}

void rotate(const Rotate& a, std::int64_t first_row, std::int64_t rows) {
  typed(a.x, [&]<class T>(const T* x) { rotate_rows(a, x, static_cast<T*>(a.y.data), first_row, rows); });
}

}  // namespace

const RotateTable rotate_table{rotate};

}  // namespace hone::kernel::HONE_ISA
