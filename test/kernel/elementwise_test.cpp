#include "kernel/elementwise.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

double activation(Activation kind, double x) {
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::gelu_new:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu:
      return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case Activation::silu:
      return x / (1 + std::exp(-x));
  }
  return 0;
}

constexpr Activation kinds[] = {Activation::none, Activation::relu, Activation::gelu_new, Activation::gelu,
                                Activation::silu};

TEST(Activate, MatchesTheReferenceAndItsSlope) {
  ThreadPool pool(2);
  for (const Isa isa : isas())
    for (const Activation kind : kinds)
      for (const Element type : elements)
        for (const std::int64_t n : widths()) {
          const Buffer x(type, normals(n, 1, 3)), dy(type, normals(n, 2));
          Buffer y(type, n), dx(type, n);
          run(Activate{.n = n, .kind = kind, .x = x.in(), .dy = {}, .y = y.out()}, isa, pool);
          run(Activate{.n = n, .kind = kind, .x = x.in(), .dy = dy.in(), .y = dx.out()}, isa, pool);
          for (std::int64_t i = 0; i < n; ++i) {
            const double want = activation(kind, x[i]), h = 1e-6;
            ASSERT_NEAR(y[i], want, std::abs(want) * rounding(type) + 2e-6);
            const double slope = (activation(kind, x[i] + h) - activation(kind, x[i] - h)) / (2 * h) * dy[i];
            ASSERT_NEAR(dx[i], slope, std::abs(slope) * rounding(type) + 3e-6);
          }
        }
}

TEST(Activate, SameBitsForAnyThreadsAndOverItsInputs) {
  constexpr std::int64_t n = 50001;
  for (const Isa isa : isas())
    for (const Element type : elements) {
      const Buffer x(type, normals(n, 1, 3)), dy(type, normals(n, 2));
      const auto gelu = [&](Buffer from, const Buffer* d, int threads) {
        ThreadPool pool(threads);
        run(Activate{.n = n,
                     .kind = Activation::gelu_new,
                     .x = d == nullptr ? from.in() : x.in(),
                     .dy = d == nullptr ? In{} : from.in(),
                     .y = from.out()},
            isa, pool);
        return from;
      };
      Buffer y(type, n), dx(type, n);
      ThreadPool pool(1);
      run(Activate{.n = n, .kind = Activation::gelu_new, .x = x.in(), .dy = {}, .y = y.out()}, isa, pool);
      run(Activate{.n = n, .kind = Activation::gelu_new, .x = x.in(), .dy = dy.in(), .y = dx.out()}, isa,
          pool);
      for (const int threads : {1, 2, 3, 4}) {
        EXPECT_TRUE(y == gelu(x, nullptr, threads));
        EXPECT_TRUE(dx == gelu(dy, &dy, threads));
      }
    }
}

TEST(Add, RoundsOnceInEveryTypeAndMayWriteOverAnInput) {
  ThreadPool pool(3);
  for (const Isa isa : isas())
    for (const Element ta : elements)
      for (const Element tb : elements)
        for (const Element ty : elements)
          for (const std::int64_t n : {1, 3, 15, 17, 100, 40000}) {
            Buffer a(ta, normals(n, 1));
            const Buffer b(tb, normals(n, 2));
            Buffer y(ty, n);
            run(Add{.n = n, .a = a.in(), .b = b.in(), .y = y.out()}, isa, pool);
            Buffer want(ty, n);
            for (std::int64_t i = 0; i < n; ++i) want.set(i, a[i] + b[i]);
            EXPECT_TRUE(y == want) << name(isa) << n;
            if (ta != ty) continue;
            run(Add{.n = n, .a = a.in(), .b = b.in(), .y = a.out()}, isa, pool);
            EXPECT_TRUE(a == want);
          }
}

TEST(Cast, RoundsToNearestEvenAndKeepsNan) {
  ThreadPool pool(2);
  for (const Isa isa : isas())
    for (const Element from : elements)
      for (const Element to : elements)
        for (const std::int64_t n : widths()) {
          Buffer x(from, normals(n, 1));
          x.set(n / 2, std::numeric_limits<float>::infinity());
          Buffer y(to, n), want(to, n);
          for (std::int64_t i = 0; i < n; ++i) want.set(i, x[i]);
          run(Cast{.n = n, .x = x.in(), .y = y.out()}, isa, pool);
          EXPECT_TRUE(y == want);
          x.set(0, std::numeric_limits<float>::quiet_NaN());
          run(Cast{.n = n, .x = x.in(), .y = y.out()}, isa, pool);
          EXPECT_TRUE(std::isnan(y[0]));
        }
}

// Every f16, and every f32 that differs in the upper 17 bits, with what lies around the ties between two f16.
TEST(Cast, HasTheBitsOfTheScalarConversionsInF16) {
  ThreadPool pool(2);
  std::vector<float> floats;
  for (std::uint64_t u = 0; u < 1ull << 32; u += 1u << 15)
    for (const std::uint32_t rest : {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x1fffu, 0x3000u, 0x7fffu})
      floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(u) | rest));
  const auto n = static_cast<std::int64_t>(floats.size());
  std::vector<f16> halves(1 << 16), narrow(floats.size());
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i].bits = static_cast<std::uint16_t>(i);
  std::vector<float> wide(halves.size());
  for (const Isa isa : isas()) {
    run(Cast{.n = 1 << 16, .x = {halves.data(), Element::f16}, .y = {wide.data(), Element::f32}}, isa, pool);
    for (std::size_t i = 0; i < wide.size(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(to_f32(halves[i])))
          << name(isa) << " " << i;
    run(Cast{.n = n, .x = {floats.data(), Element::f32}, .y = {narrow.data(), Element::f16}}, isa, pool);
    for (std::size_t i = 0; i < narrow.size(); ++i)
      ASSERT_EQ(narrow[i].bits, to_f16(floats[i]).bits) << name(isa) << " " << floats[i];
  }
}

bool kept(std::uint64_t key, std::uint64_t index, float p) {
  const std::uint32_t word = philox(key, index / 8, 0)[index % 8 / 2];
  return (index % 2 ? word >> 16 : word & 0xffff) >= static_cast<std::uint32_t>(std::lround(p * 65536.0));
}

TEST(DropoutRows, DrawsWhatPhiloxDraws) {
  ThreadPool pool(2);
  constexpr std::uint64_t key = 0x123456789abcdef0;
  for (const Isa isa : isas())
    for (const Element type : elements)
      for (const std::int64_t columns : widths())
        // The last one makes the counter's low word overflow on the way.
        for (const std::int64_t first_row :
             {std::int64_t{0}, std::int64_t{5}, ((std::int64_t{1} << 35) - 20) / columns}) {
          const std::int64_t rows = 50;
          Buffer x(type, normals(rows * columns, 3));
          Buffer y(type, rows * columns), want(type, rows * columns);
          for (std::int64_t i = 0; i < rows * columns; ++i)
            want.set(i, kept(key, static_cast<std::uint64_t>(first_row * columns + i), 0.1f)
                            ? x[i] / (1 - 0.1f)
                            : 0);
          DropoutRows a{.rows = rows,
                        .columns = columns,
                        .x = x.in(),
                        .y = y.out(),
                        .p = 0.1f,
                        .key = key,
                        .first_row = first_row};
          run(a, isa, pool);
          EXPECT_TRUE(y == want) << name(isa) << " " << columns << " " << first_row;
          a.y = x.out();
          run(a, isa, pool);
          EXPECT_TRUE(x == want) << "in place";
        }
}

TEST(DropoutRows, ARowHasItsBitsWhicheverRowsAreWithIt) {
  for (const Isa isa : isas()) {
    const std::int64_t rows = 40, columns = 1003;
    const Buffer x(Element::f32, normals(rows * columns, 3));
    Buffer whole(Element::f32, rows * columns);
    DropoutRows a{
        .rows = rows, .columns = columns, .x = x.in(), .y = whole.out(), .p = 0.5f, .key = 7, .first_row = 3};
    ThreadPool one(1);
    run(a, isa, one);
    for (const int threads : {2, 3, 4}) {
      ThreadPool pool(threads);
      Buffer split(Element::f32, rows * columns);
      for (std::int64_t r = 0; r < rows; r += 13) {
        a.rows = std::min<std::int64_t>(13, rows - r);
        a.x.data = static_cast<const float*>(x.in().data) + r * columns;
        a.y.data = split.f32() + r * columns;
        a.first_row = 3 + r;
        run(a, isa, pool);
      }
      EXPECT_TRUE(whole == split) << threads;
    }
  }
}

TEST(DropoutRows, DropsEverythingAtOneAndNothingAtZero) {
  ThreadPool pool(1);
  for (const Isa isa : isas()) {
    Buffer x(Element::f32, normals(100, 1));
    x.set(3, std::numeric_limits<float>::infinity());
    Buffer y(Element::f32, 100);
    run(DropoutRows{.rows = 1, .columns = 100, .x = x.in(), .y = y.out(), .p = 0, .key = 1}, isa, pool);
    EXPECT_TRUE(x == y);
    run(DropoutRows{.rows = 1, .columns = 100, .x = x.in(), .y = y.out(), .p = 1, .key = 1}, isa, pool);
    EXPECT_TRUE(y == Buffer(Element::f32, std::vector<float>(100)));
  }
}

void column_sum(const Buffer& x, Element type, std::int64_t stride, std::int64_t first,
                std::int64_t sequences, std::int64_t positions, std::int64_t columns, bool accumulate,
                Buffer& sum, Isa isa, int threads) {
  ThreadPool pool(threads);
  const ColumnSum a{
      .sequences = sequences,
      .positions = positions,
      .columns = columns,
      .x = {static_cast<const char*>(x.in().data) + first * positions * stride * bytes(type), type},
      .x_stride = stride,
      .sum = sum.f32(),
      .accumulate = accumulate};
  Buffer scratch(Element::f32, scratch_bytes(a, threads) / 4);
  run(a, isa, pool, scratch.f32());
}

// Its bits are those of the plain loops that its header describes, so they can be compared with ==.
TEST(ColumnSum, AddsPiecesInOrderForAnyThreadsAndAnySplitOfSequences) {
  for (const Isa isa : isas())
    for (const Element type : elements)
      for (const std::int64_t columns : widths()) {
        const std::int64_t sequences = 3, positions = 300, stride = columns + 5;
        const Buffer x(type, normals(sequences * positions * stride, 1));
        Buffer want(Element::f32, columns);
        for (std::int64_t c = 0; c < columns; ++c) {
          float total = 0;
          for (std::int64_t s = 0; s < sequences; ++s)
            for (std::int64_t piece = 0; piece < positions; piece += piece_positions) {
              float partial = 0;
              for (std::int64_t p = piece; p < std::min(positions, piece + piece_positions); ++p)
                partial += x[(s * positions + p) * stride + c];
              total += partial;
            }
          want.set(c, total);
        }
        for (const int threads : {1, 2, 3, 4}) {
          Buffer sum(Element::f32, columns), split(Element::f32, columns);
          column_sum(x, type, stride, 0, sequences, positions, columns, false, sum, isa, threads);
          EXPECT_TRUE(sum == want) << name(isa) << " " << columns << " " << threads;
          column_sum(x, type, stride, 0, 1, positions, columns, false, split, isa, threads);
          column_sum(x, type, stride, 1, 2, positions, columns, true, split, isa, threads);
          EXPECT_TRUE(split == want);
        }
      }
}

}  // namespace
}  // namespace hone::kernel
