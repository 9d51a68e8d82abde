#include "kernel/gemm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

using std::int64_t;

constexpr int64_t sizes[] = {1, 2, 3, 7, 8, 9, 47, 48, 49, 64, 100, 577};

// A matrix of either type with a stride, between guard bytes, everything outside it filled with one pattern.
class Matrix {
 public:
  Matrix(int64_t rows, int64_t columns, int64_t stride, Element type)
      : rows_(rows),
        columns_(columns),
        stride_(stride),
        type_(type),
        memory_(static_cast<std::size_t>(rows * stride * bytes(type)) + 2 * guard, std::byte{0x7b}) {}

  // Whole numbers / 64 of a hash: sums of products stay exact in f64 and small.
  Matrix& fill(unsigned seed) {
    for (int64_t r = 0; r < rows_; ++r)
      for (int64_t c = 0; c < columns_; ++c) {
        unsigned h = seed * 2654435761u + static_cast<unsigned>(r * 7919 + c) * 2246822519u;
        h ^= h >> 15, h *= 3266489917u, h ^= h >> 13;
        set(r, c, static_cast<float>(static_cast<int>(h % 255) - 127) / 64);
      }
    return *this;
  }
  void* data() { return memory_.data() + guard; }
  In in() { return {data(), type_}; }
  Out out() { return {data(), type_}; }
  Element type() const { return type_; }
  int64_t stride() const { return stride_; }
  float* floats() { return static_cast<float*>(data()); }

  float at(int64_t r, int64_t c) const {
    const std::byte* p = memory_.data() + guard + (r * stride_ + c) * bytes(type_);
    if (type_ == Element::f32) {
      float x;
      std::memcpy(&x, p, 4);
      return x;
    }
    std::uint16_t bits;
    std::memcpy(&bits, p, 2);
    return type_ == Element::bf16 ? to_f32(bf16{bits}) : to_f32(f16{bits});
  }
  void set(int64_t r, int64_t c, float x) {
    std::byte* p = memory_.data() + guard + (r * stride_ + c) * bytes(type_);
    const std::uint16_t narrow = type_ == Element::bf16 ? to_bf16(x).bits : to_f16(x).bits;
    if (type_ == Element::f32)
      std::memcpy(p, &x, 4);
    else
      std::memcpy(p, &narrow, 2);
  }
  // Whether nothing outside [rows, columns] was written.
  bool untouched_outside() const {
    std::vector<std::byte> copy = memory_;
    for (int64_t r = 0; r < rows_; ++r)
      std::fill_n(copy.begin() + guard + r * stride_ * bytes(type_), columns_ * bytes(type_),
                  std::byte{0x7b});
    return std::all_of(copy.begin(), copy.end(), [](std::byte b) { return b == std::byte{0x7b}; });
  }
  bool same_bits(const Matrix& other) const { return memory_ == other.memory_; }

 private:
  static constexpr int64_t guard = 256;
  int64_t rows_, columns_, stride_;
  Element type_;
  std::vector<std::byte> memory_;
};

template <class Arguments>
void call(const Arguments& arguments, Isa isa, ThreadPool& pool) {
  const auto size = static_cast<std::size_t>(scratch_bytes(arguments, isa, pool.threads()));
  std::vector<std::byte> scratch(size + 128,
                                 std::byte{0x7f});  // NaNs: nothing may be read before it is written
  auto* aligned =
      reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
  run(arguments, isa, pool, aligned);
  for (std::byte* p = aligned + size; p < scratch.data() + scratch.size(); ++p)
    ASSERT_EQ(*p, std::byte{0x7f}) << "wrote beyond its scratch";
}

double activation(Activation kind, double x) {
  switch (kind) {
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu_new:
      return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::none:
      break;
  }
  return x;
}
double activation_gradient(Activation kind, double x) {
  if (kind == Activation::relu) return x > 0;
  return (activation(kind, x + 1e-5) - activation(kind, x - 1e-5)) / 2e-5;
}

double rounded(double x, Element e) {
  if (e == Element::f32) return x;
  const auto single = static_cast<float>(x);
  return e == Element::bf16 ? to_f32(to_bf16(single)) : to_f32(to_f16(single));
}

struct Product {
  int64_t M, N, K;
  Element type = Element::f32, c_type = Element::f32;
  bool transposed = false, bias = false, residual = false, keep_c = true;
  Activation forward = Activation::none, backward = Activation::none;

  std::string text() const {
    return std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K) + " " + kernel::name(type) +
           "->" + kernel::name(c_type) + (transposed ? " transposed" : "") + " forward " +
           std::to_string(int(forward)) + " backward " + std::to_string(int(backward)) +
           (bias ? " bias" : "") + (residual ? " residual" : "");
  }
};

// The operands and results of a Product, and the call.
struct Setting {
  Product p;
  Matrix a, b, c, activated, pre, residual, bias;

  explicit Setting(const Product& product)
      : p(product),
        a(p.M, p.K, p.K + 3, p.type),
        b(p.transposed ? p.N : p.K, p.transposed ? p.K : p.N, (p.transposed ? p.K : p.N) + 5, p.type),
        c(p.M, p.N, p.N + 1, p.c_type),
        activated(p.M, p.N, p.N + 1, p.c_type),
        pre(p.M, p.N, p.N + 1, p.c_type),
        residual(p.M, p.N, p.N + 1, Element::f32),
        bias(1, p.N, p.N, Element::f32) {
    a.fill(1), b.fill(2), pre.fill(3), residual.fill(4), bias.fill(5);
  }
  Gemm gemm() {
    Gemm g{.M = p.M,
           .N = p.N,
           .K = p.K,
           .a = a.in(),
           .a_stride = a.stride(),
           .b = b.in(),
           .b_stride = b.stride(),
           .b_transposed = p.transposed,
           .c = c.out(),
           .c_stride = c.stride(),
           .rounded = p.c_type};
    if (p.bias) g.bias = bias.floats();
    if (p.residual) g.residual = residual.floats();
    if (p.forward != Activation::none) g.activation = p.forward, g.activated = activated.data();
    if (p.backward != Activation::none) g.activation = p.backward, g.pre = pre.data();
    if (!p.keep_c) g.c.data = nullptr;
    return g;
  }
  double product(int64_t m, int64_t n) const {
    double s = 0;
    for (int64_t k = 0; k < p.K; ++k) s += double(a.at(m, k)) * (p.transposed ? b.at(n, k) : b.at(k, n));
    return s;
  }
  // One unit in the last place of what is stored, and the chain's own error.
  double tolerance(double value) const {
    const double ulp = std::array{2e-6, 0.008, 0.001}[static_cast<std::size_t>(p.c_type)];
    return ulp * std::abs(value) + 3e-6 * std::sqrt(static_cast<double>(p.K)) +
           (p.c_type == Element::f32 ? 0 : 1e-5);
  }
  void check() const {
    EXPECT_TRUE(c.untouched_outside() && activated.untouched_outside()) << p.text();
    for (int64_t m = 0; m < p.M; ++m)
      for (int64_t n = 0; n < p.N; ++n) {
        double s = rounded(product(m, n) + (p.bias ? bias.at(0, n) : 0), p.c_type);
        if (p.forward != Activation::none) {
          const double read = p.keep_c ? c.at(m, n) : s, expected = activation(p.forward, read);
          ASSERT_NEAR(activated.at(m, n), expected, tolerance(s)) << p.text() << " at " << m << "," << n;
        }
        if (p.backward != Activation::none) s *= activation_gradient(p.backward, pre.at(m, n));
        if (p.residual) s += residual.at(m, n);
        if (!p.keep_c) continue;
        ASSERT_NEAR(c.at(m, n), s, tolerance(s)) << p.text() << " at " << m << "," << n;
      }
  }
};

void check(const Product& p, Isa isa, ThreadPool& pool) {
  Setting s(p);
  call(s.gemm(), isa, pool);
  s.check();
}

class GemmTest : public testing::TestWithParam<Isa> {
 protected:
  ThreadPool pool{2};
};

TEST_P(GemmTest, AgreesWithF64OnEveryTail) {
  for (const int64_t M : {1, 3, 7, 8, 9, 100})
    for (const int64_t N : sizes)
      for (const int64_t K : sizes) {
        if (N * K > 60000 && M > 9) continue;
        const bool transposed = (M + N + K) % 2;
        for (const Element e : elements) {
          check({.M = M, .N = N, .K = K, .type = e, .c_type = e, .transposed = transposed}, GetParam(), pool);
          check({.M = M, .N = N, .K = K, .type = e, .transposed = !transposed, .bias = true}, GetParam(),
                pool);
        }
        if (HasFatalFailure()) return;
      }
}

TEST_P(GemmTest, BlocksOfK) {
  for (const int64_t K : {1537, 3100, 6200})
    for (const Element e : elements)
      for (const bool transposed : {false, true})
        for (const int64_t N : {48, 55})
          check({.M = 17, .N = N, .K = K, .type = e, .transposed = transposed}, GetParam(), pool);
}

TEST_P(GemmTest, Epilogues) {
  for (const Element type : elements)
    for (const Element c_type : elements)
      for (const Activation kind :
           {Activation::relu, Activation::gelu_new, Activation::gelu, Activation::silu})
        for (const bool flag : {false, true}) {
          const Product p{
              .M = 11, .N = 77, .K = 20, .type = type, .c_type = c_type, .transposed = flag, .bias = flag};
          Product forward = p, kept = p, backward = p;
          forward.forward = kept.forward = backward.backward = kind;
          forward.keep_c = false;
          for (const Product& each : {forward, kept, backward}) check(each, GetParam(), pool);
        }
  check({.M = 11, .N = 77, .K = 20, .type = Element::bf16, .bias = true, .residual = true}, GetParam(), pool);
}

TEST_P(GemmTest, RoundsTheSumBeforeTheResidual) {
  Setting s({.M = 9, .N = 50, .K = 33, .type = Element::bf16, .residual = true});
  Gemm g = s.gemm();
  call(g, GetParam(), pool);
  Setting plain({.M = 9, .N = 50, .K = 33, .type = Element::bf16, .c_type = Element::bf16});
  call(plain.gemm(), GetParam(), pool);
  Setting in_place = s;
  g = in_place.gemm();
  g.rounded = Element::bf16;
  g.c.data = in_place.residual.data();
  call(g, GetParam(), pool);
  for (int64_t m = 0; m < 9; ++m)
    for (int64_t n = 0; n < 50; ++n)
      EXPECT_EQ(in_place.residual.at(m, n), s.residual.at(m, n) + plain.c.at(m, n));
}

TEST_P(GemmTest, SameBitsForAnyThreadsAndRows) {
  for (const Element e : elements)
    for (const bool transposed : {false, true})
      for (const int64_t K : {101, 3333}) {
        const Product p{.M = 577, .N = 100, .K = K, .type = e, .transposed = transposed, .bias = true};
        Setting one(p);
        ThreadPool alone(1);
        call(one.gemm(), GetParam(), alone);
        for (int threads = 2; threads <= 4; ++threads) {
          Setting s(p);
          ThreadPool several(threads);
          call(s.gemm(), GetParam(), several);
          EXPECT_TRUE(s.c.same_bits(one.c)) << p.text() << " " << threads;
        }
        for (const int64_t row : {0, 5, 576}) {
          Setting s(p);
          Gemm g = s.gemm();
          g.M = 1;
          g.a.data = static_cast<std::byte*>(s.a.data()) + row * s.a.stride() * bytes(e);
          call(g, GetParam(), alone);
          for (int64_t n = 0; n < p.N; ++n)
            ASSERT_EQ(s.c.at(0, n), one.c.at(row, n)) << p.text() << " " << row;
        }
      }
}

struct Gradient {
  int64_t sequences, positions, N, K;
  Element type;
};

WeightGradient arguments(const Gradient& p, Matrix& dy, Matrix& x, Matrix& dw) {
  return {.sequences = p.sequences,
          .positions = p.positions,
          .N = p.N,
          .K = p.K,
          .dy = dy.in(),
          .dy_stride = dy.stride(),
          .x = x.in(),
          .x_stride = x.stride(),
          .dw = dw.out()};
}

void check(const Gradient& p, Isa isa, ThreadPool& pool) {
  const int64_t rows = p.sequences * p.positions;
  Matrix dy(rows, p.N, p.N + 3, p.type), x(rows, p.K, p.K + 1, p.type), dw(p.N, p.K, p.K, Element::f32);
  dy.fill(6), x.fill(7);
  const WeightGradient g = arguments(p, dy, x, dw);
  call(g, isa, pool);
  EXPECT_TRUE(dw.untouched_outside());
  const double tolerance = 3e-6 * std::sqrt(static_cast<double>(rows)) + 1e-5;
  for (int64_t n = 0; n < p.N; ++n)
    for (int64_t k = 0; k < p.K; ++k) {
      double s = 0;
      for (int64_t r = 0; r < rows; ++r) s += double(dy.at(r, n)) * x.at(r, k);
      ASSERT_NEAR(dw.at(n, k), s, tolerance + 2e-6 * std::abs(s)) << p.N << "x" << p.K << " " << rows;
    }
}

TEST_P(GemmTest, WeightGradientAgreesWithF64) {
  for (const Element e : elements) {
    for (const int64_t N : sizes)
      for (const int64_t K : sizes)
        if (N * K < 30000) check(Gradient{2, 3 + N % 4, N, K, e}, GetParam(), pool);
    for (const int64_t positions : {1, 2, 255, 256, 257, 600})
      check(Gradient{2, positions, 49, 65, e}, GetParam(), pool);
    check(Gradient{1, 5, 577, 500, e}, GetParam(), pool);
  }
}

TEST_P(GemmTest, WeightGradientSameBitsForAnySplit) {
  for (const Element e : elements) {
    const Gradient p{4, 301, 100, 131, e};
    Matrix dy(4 * 301, p.N, p.N, e), x(4 * 301, p.K, p.K, e), whole(p.N, p.K, p.K, Element::f32);
    dy.fill(6), x.fill(7);
    ThreadPool alone(1);
    call(arguments(p, dy, x, whole), GetParam(), alone);
    for (int threads = 2; threads <= 4; ++threads) {
      Matrix dw(p.N, p.K, p.K, Element::f32);
      ThreadPool several(threads);
      call(arguments(p, dy, x, dw), GetParam(), several);
      EXPECT_TRUE(dw.same_bits(whole)) << threads;
    }
    for (const int64_t first : {1, 2, 3}) {
      Matrix dw(p.N, p.K, p.K, Element::f32);
      WeightGradient g = arguments(p, dy, x, dw);
      g.sequences = first;
      call(g, GetParam(), pool);
      g.sequences = 4 - first;
      g.accumulate = true;
      g.dy.data = static_cast<std::byte*>(dy.data()) + first * 301 * p.N * bytes(e);
      g.x.data = static_cast<std::byte*>(x.data()) + first * 301 * p.K * bytes(e);
      call(g, GetParam(), pool);
      EXPECT_TRUE(dw.same_bits(whole)) << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, GemmTest, testing::ValuesIn(isas()),
                         [](const auto& parameter) { return std::string(name(parameter.param)); });

}  // namespace
}  // namespace hone::kernel
