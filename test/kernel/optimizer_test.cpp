#include "kernel/optimizer.hpp"

#include <cmath>
#include <limits>

#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

struct Norm {
  float norm = 0, scale = 0;
  friend bool operator==(const Norm&, const Norm&) = default;
};

Norm gradient_norm(const std::vector<GradientNorm::Part>& parts, float clip, Isa isa, int threads) {
  ThreadPool pool(threads);
  Norm n;
  const GradientNorm a{.parts = parts, .clip = &clip, .norm = &n.norm, .clip_scale = &n.scale};
  std::vector<double> scratch(static_cast<std::size_t>(scratch_bytes(a) / 8));
  run(a, isa, pool, scratch.data());
  return n;
}

TEST(GradientNorm, MatchesTheReferenceForAnyThreads) {
  const std::vector<float> values = normals(300000, 1);
  const std::vector<GradientNorm::Part> parts{{{values.data()}, 1},
                                              {{values.data() + 1}, 0},
                                              {{values.data() + 1}, 3},
                                              {{values.data() + 4}, 100000},
                                              {{values.data() + 100004}, 0},
                                              {{values.data() + 100004}, 32768},
                                              {{values.data() + 132772}, 167228}};
  double squares = 0;
  for (const float v : values) squares += static_cast<double>(v) * v;
  for (const Isa isa : isas()) {
    const Norm one = gradient_norm(parts, 1, isa, 1);
    EXPECT_NEAR(one.norm / std::sqrt(squares), 1, 1e-7);
    EXPECT_NEAR(one.scale * std::sqrt(squares), 1, 1e-6);
    for (const int threads : {2, 3, 4}) EXPECT_EQ(one, gradient_norm(parts, 1, isa, threads));
    EXPECT_EQ(gradient_norm(parts, 0, isa, 2).scale, 1);
    EXPECT_EQ(gradient_norm(parts, 1e6f, isa, 2).scale, 1);
    EXPECT_EQ(gradient_norm({}, 1, isa, 2), (Norm{0, 1}));
  }
}

TEST(GradientNorm, HoldsHugeGradientsAndShowsNan) {
  for (const Isa isa : isas()) {
    std::vector<float> values(100, 1e30f);
    EXPECT_NEAR(gradient_norm({{{values.data()}, 100}}, 1, isa, 1).norm / 1e31, 1, 1e-6);
    values[50] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(gradient_norm({{{values.data()}, 100}}, 1, isa, 1).norm));
    EXPECT_TRUE(std::isnan(gradient_norm({{{values.data()}, 100}}, 1, isa, 1).scale));
  }
}

constexpr AdamWStep step{.lr = 1e-3f,
                         .beta1 = 0.9f,
                         .beta2 = 0.999f,
                         .epsilon = 1e-8f,
                         .weight_decay = 0.1f,
                         .correction1 = 0.19f,
                         .correction2 = 0.001999f};

struct State {
  Buffer w, m, v, low;
  friend bool operator==(const State&, const State&) = default;
};

State updated(State s, Buffer gradient, bool decay, bool low, Isa isa, int threads) {
  ThreadPool pool(threads);
  const float clip_scale = 0.7f;
  run(AdamW{.n = s.w.size_elements(),
            .w = s.w.out(),
            .gradient = gradient.in(),
            .m = s.m.f32(),
            .v = s.v.f32(),
            .low = low ? s.low.out() : Out{},
            .step = &step,
            .decay = decay,
            .clip_scale = &clip_scale},
      isa, pool);
  return s;
}

// Every operation is rounded to f32 on its own, so that plain floats give the same bits; moments may be
// denormal.
TEST(AdamW, IsItsFormulaBitByBitForAnyThreads) {
  for (const Isa isa : isas())
    for (const std::int64_t n : {1, 3, 15, 17, 100, 1000, 40001})
      for (const bool decay : {false, true})
        for (const float size : {1.0f, 1e-21f}) {  // squares of the second are denormal
          const Element low = decay ? Element::bf16 : Element::f16;
          State s{{Element::f32, normals(n, 1)},
                  {Element::f32, normals(n, 2, size * size)},
                  {Element::f32, normals(n, 3, size * size)},
                  {low, n}};
          for (std::int64_t i = 0; i < n; ++i) s.v.set(i, std::abs(s.v[i]));
          const Buffer gradient(Element::f32, normals(n, 4, size));
          State want = s;
          for (std::int64_t i = 0; i < n; ++i) {
            const float g = gradient[i] * 0.7f;
            const float m = step.beta1 * s.m[i] + (1 - step.beta1) * g;
            const float v = step.beta2 * s.v[i] + (1 - step.beta2) * (g * g);
            const float root = std::sqrt(v / step.correction2) + step.epsilon;
            const float kept = s.w[i] * (decay ? 1 - step.lr * step.weight_decay : 1);
            want.m.set(i, m);
            want.v.set(i, v);
            want.w.set(i, kept - step.lr * (m / step.correction1) / root);
            want.low.set(i, want.w[i]);
          }
          for (const int threads : {1, 2, 3, 4})
            EXPECT_TRUE(want == updated(s, gradient, decay, true, isa, threads)) << name(isa) << " " << n;
          want.low = s.low;
          EXPECT_TRUE(want == updated(s, gradient, decay, false, isa, 2));
        }
}

}  // namespace
}  // namespace hone::kernel
