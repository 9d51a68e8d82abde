#include "kernel/norm.hpp"

#include <cmath>
#include <optional>

#include "kernel/buffer.hpp"
#include "kernel/elementwise.hpp"

namespace hone::kernel {
namespace {

struct Forward {
  Buffer y, mean, rstd;
  friend bool operator==(const Forward&, const Forward&) = default;
};

struct Problem {
  Problem(std::int64_t sequences_, std::int64_t positions_, std::int64_t C_, Element type_, bool centred_)
      : sequences(sequences_),
        positions(positions_),
        C(C_),
        rows(sequences_ * positions_),
        type(type_),
        centred(centred_),
        x(Element::f32, normals(rows * C, 1)),
        gamma(Element::f32, normals(C, 3)),
        beta(Element::f32, normals(C, 4)) {}

  Forward forward(Isa isa, int threads) {
    ThreadPool pool(threads);
    Forward f{{type, rows * C}, {Element::f32, rows}, {Element::f32, rows}};
    run({.rows = rows,
         .C = C,
         .x = x.f32(),
         .gamma = gamma.f32(),
         .beta = centred ? beta.f32() : nullptr,
         .y = f.y.out(),
         .mean = centred ? f.mean.f32() : nullptr,
         .rstd = f.rstd.f32()},
        isa, pool);
    return f;
  }

  std::int64_t sequences, positions, C, rows;
  Element type;
  bool centred;  // about the mean, else about zero
  Buffer x, gamma, beta;
};

class Norms : public testing::TestWithParam<bool> {};

TEST_P(Norms, MatchTheReference) {
  for (const Isa isa : isas())
    for (const std::int64_t C : widths())
      for (const Element type : elements) {
        Problem p(1, 7, C, type, GetParam());
        const Forward f = p.forward(isa, 2);
        EXPECT_TRUE(f == p.forward(isa, 1)) << "threads change bits";
        for (std::int64_t r = 0; r < p.rows; ++r) {
          double mean = 0, variance = 0;
          for (std::int64_t c = 0; c < C; ++c)
            if (p.centred) mean += p.x[r * C + c] / static_cast<double>(C);
          for (std::int64_t c = 0; c < C; ++c)
            variance += std::pow(p.x[r * C + c] - mean, 2) / static_cast<double>(C);
          const double rstd = 1 / std::sqrt(variance + 1e-5f);
          if (p.centred) {
            ASSERT_NEAR(f.mean[r], mean, 1e-6);
          }
          ASSERT_NEAR(f.rstd[r] / rstd, 1, C == 1 ? 1e-6 : 3e-6);
          for (std::int64_t c = 0; c < C; ++c) {
            const double y = (p.x[r * C + c] - mean) * rstd * p.gamma[c] + (p.centred ? p.beta[c] : 0);
            ASSERT_NEAR(f.y[r * C + c], y, (std::abs(y) + 1) * (rounding(type) + 5e-6))
                << name(isa) << " " << C;
          }
        }
      }
}

struct Gradient {
  Buffer dx, dgamma, dbeta;
  friend bool operator==(const Gradient&, const Gradient&) = default;
};

struct GradientProblem : Problem {
  GradientProblem(std::int64_t sequences_, std::int64_t positions_, std::int64_t C_, Element type_,
                  bool centred_, Isa isa_)
      : Problem(sequences_, positions_, C_, type_, centred_),
        isa(isa_),
        saved(forward(isa, 2)),
        dy(type, normals(rows * C, 5)),
        addend(Element::f32, normals(rows * C, 6)) {}

  Gradient empty() const { return {{Element::f32, rows * C}, {Element::f32, C}, {Element::f32, C}}; }

  // The gradient of `count` sequences from `first` on, into g.
  void add(Gradient& g, bool with_addend, bool accumulate, std::int64_t first, std::int64_t count,
           int threads) {
    ThreadPool pool(threads);
    const std::int64_t row = first * positions, at = row * C;
    const NormGradient a{.sequences = count,
                         .positions = positions,
                         .C = C,
                         .dy = {static_cast<const char*>(dy.in().data) + at * bytes(type), type},
                         .x = x.f32() + at,
                         .gamma = gamma.f32(),
                         .mean = centred ? saved.mean.f32() + row : nullptr,
                         .rstd = saved.rstd.f32() + row,
                         .addend = with_addend ? addend.f32() + at : nullptr,
                         .dx = g.dx.f32() + at,
                         .dgamma = g.dgamma.f32(),
                         .dbeta = centred ? g.dbeta.f32() : nullptr,
                         .accumulate = accumulate};
    Buffer scratch(Element::f32, scratch_bytes(a, threads) / 4);
    run(a, isa, pool, scratch.f32());
  }
  Gradient gradient(bool with_addend, int threads) {
    Gradient g = empty();
    add(g, with_addend, false, 0, sequences, threads);
    return g;
  }

  Isa isa;
  Forward saved;
  Buffer dy, addend;
};

TEST_P(Norms, GradientsMatchTheReference) {
  for (const Isa isa : isas())
    for (const std::int64_t C : widths())
      for (const Element type : elements) {
        GradientProblem p(2, 5, C, type, GetParam(), isa);
        const Gradient g = p.gradient(false, 2);
        std::vector<double> dgamma(static_cast<std::size_t>(C)), dbeta(dgamma);
        for (std::int64_t r = 0; r < p.rows; ++r) {
          double mean_d = 0, mean_dh = 0;
          auto d = [&](std::int64_t c) { return static_cast<double>(p.dy[r * C + c]); };
          auto h = [&](std::int64_t c) {
            const float mean = p.centred ? p.saved.mean[r] : 0;
            return (static_cast<double>(p.x[r * C + c]) - mean) * p.saved.rstd[r];
          };
          for (std::int64_t c = 0; c < C; ++c) {
            if (p.centred) mean_d += d(c) * p.gamma[c] / static_cast<double>(C);
            mean_dh += d(c) * p.gamma[c] * h(c) / static_cast<double>(C);
            dgamma[static_cast<std::size_t>(c)] += d(c) * h(c);
            dbeta[static_cast<std::size_t>(c)] += d(c);
          }
          for (std::int64_t c = 0; c < C; ++c) {
            const double dx = p.saved.rstd[r] * (d(c) * p.gamma[c] - mean_d - h(c) * mean_dh);
            const double scale = p.saved.rstd[r] * (std::abs(d(c) * p.gamma[c]) + std::abs(mean_d) + 1);
            ASSERT_NEAR(g.dx[r * C + c], dx, 2e-6 * scale) << name(isa) << " " << C;
          }
        }
        for (std::int64_t c = 0; c < C; ++c) {
          ASSERT_NEAR(g.dgamma[c], dgamma[static_cast<std::size_t>(c)], 1e-5);
          if (p.centred) {
            ASSERT_NEAR(g.dbeta[c], dbeta[static_cast<std::size_t>(c)], 1e-5);
          }
        }
      }
}

// Against the forward kernel: sum(y dy) must change as dx, dgamma and dbeta say.
TEST_P(Norms, GradientsMatchFiniteDifferences) {
  for (const Isa isa : isas()) {
    GradientProblem p(1, 3, 17, Element::f32, GetParam(), isa);
    const Gradient g = p.gradient(false, 1);
    auto loss = [&] {
      const Forward f = p.forward(isa, 1);
      double l = 0;
      for (std::int64_t i = 0; i < p.rows * p.C; ++i) l += static_cast<double>(f.y[i]) * p.dy[i];
      return l;
    };
    auto slope = [&](float& value) {
      const float kept = value, step = 1e-2f;
      value = kept + step;
      const double up = loss();
      value = kept - step;
      const double down = loss();
      value = kept;
      return (up - down) / (2 * step);
    };
    for (std::int64_t i = 0; i < p.rows * p.C; ++i) EXPECT_NEAR(slope(p.x.f32()[i]), g.dx[i], 5e-3);
    for (std::int64_t c = 0; c < p.C; ++c) EXPECT_NEAR(slope(p.gamma.f32()[c]), g.dgamma[c], 1e-3);
    for (std::int64_t c = 0; p.centred && c < p.C; ++c) EXPECT_NEAR(slope(p.beta.f32()[c]), g.dbeta[c], 1e-3);
  }
}

// One and three long sequences (few pieces: shared out by columns for more threads), and many short ones.
TEST_P(Norms, GradientsHaveTheSameBitsForAnyThreadsAndAnySplitOfSequences) {
  struct Case {
    std::int64_t sequences, positions, C;
  };
  for (const Isa isa : isas())
    for (const auto& [sequences, positions, C] :
         {Case{1, 300, 100}, Case{3, 513, 17}, Case{12, 256, 96}, Case{150, 1, 65}}) {
      GradientProblem p(sequences, positions, C, Element::bf16, GetParam(), isa);
      const Gradient whole = p.gradient(true, 1);
      for (const int threads : {2, 3, 4}) {
        EXPECT_TRUE(whole == p.gradient(true, threads)) << sequences << " " << threads;
        Gradient split = p.empty();
        for (std::int64_t s = 0; s < sequences; s += 5)
          p.add(split, true, s > 0, s, std::min<std::int64_t>(5, sequences - s), threads);
        EXPECT_TRUE(whole == split) << sequences << " " << threads;
      }
    }
}

TEST_P(Norms, FusedSumHasTheBitsOfGradientThenAdd) {
  for (const Isa isa : isas()) {
    GradientProblem p(2, 33, 100, Element::bf16, GetParam(), isa);
    const Gradient fused = p.gradient(true, 2);
    Gradient apart = p.gradient(false, 2);
    ThreadPool pool(2);
    run(Add{.n = p.rows * p.C, .a = p.addend.in(), .b = apart.dx.in(), .y = apart.dx.out()}, isa, pool);
    EXPECT_TRUE(fused == apart);
    Gradient in_place = p.empty();
    in_place.dx = p.addend;
    NormGradient a{.sequences = 2,
                   .positions = 33,
                   .C = 100,
                   .dy = p.dy.in(),
                   .x = p.x.f32(),
                   .gamma = p.gamma.f32(),
                   .mean = p.centred ? p.saved.mean.f32() : nullptr,
                   .rstd = p.saved.rstd.f32(),
                   .addend = in_place.dx.f32(),
                   .dx = in_place.dx.f32(),
                   .dgamma = in_place.dgamma.f32(),
                   .dbeta = p.centred ? in_place.dbeta.f32() : nullptr};
    Buffer scratch(Element::f32, scratch_bytes(a, 2) / 4);
    run(a, isa, pool, scratch.f32());
    EXPECT_TRUE(fused == in_place);
  }
}

INSTANTIATE_TEST_SUITE_P(About, Norms, testing::Values(true, false),
                         [](const auto& each) { return each.param ? "TheMean" : "Zero"; });

}  // namespace
}  // namespace hone::kernel
