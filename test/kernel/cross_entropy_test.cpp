#include "kernel/cross_entropy.hpp"

#include <cmath>
#include <limits>

#include "kernel/buffer.hpp"

namespace hone::kernel {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Problem {
  Problem(std::int64_t rows_, std::int64_t V_, Element type_, float scale, Isa isa_)
      : rows(rows_),
        V(V_),
        stride(V_ + 3),
        type(type_),
        isa(isa_),
        logits(type_, normals(rows_ * (V_ + 3), 1, scale)) {
    Stream stream(2);
    for (std::int64_t r = 0; r < rows; ++r)
      labels.push_back(static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(V))));
  }

  void forward(Buffer& loss, Buffer& lse, int threads) {
    ThreadPool pool(threads);
    run({.rows = rows,
         .V = V,
         .logits = logits.in(),
         .stride = stride,
         .labels = labels.data(),
         .loss = loss.f32(),
         .lse = lse.f32()},
        isa, pool);
  }
  void backward(Buffer& lse, Buffer& d, int threads) {
    ThreadPool pool(threads);
    const float scale = 0.25f;
    run({.rows = rows,
         .V = V,
         .logits = logits.in(),
         .stride = stride,
         .labels = labels.data(),
         .lse = lse.f32(),
         .scale = &scale,
         .d_logits = d.out()},
        isa, pool);
  }
  double exact_lse(std::int64_t r) const {
    double max = -infinity, sum = 0;
    for (std::int64_t v = 0; v < V; ++v) max = std::max<double>(max, logits[r * stride + v]);
    for (std::int64_t v = 0; v < V; ++v) sum += std::exp(logits[r * stride + v] - max);
    return max + std::log(sum);
  }
  std::int32_t label(std::int64_t r) const { return labels[static_cast<std::size_t>(r)]; }

  std::int64_t rows, V, stride;
  Element type;
  Isa isa;
  Buffer logits;
  std::vector<std::int32_t> labels;
};

std::vector<std::int64_t> vocabularies() {
  auto all = widths();
  all.insert(all.end(), {2047, 50257});
  return all;
}

TEST(CrossEntropy, MatchesTheReference) {
  for (const Isa isa : isas())
    for (const std::int64_t V : vocabularies())
      for (const Element type : elements)
        for (const float scale : {1.0f, 10.0f}) {
          Problem p(3, V, type, scale, isa);
          Buffer loss(Element::f32, p.rows), lse(Element::f32, p.rows), d(type, p.logits.size_elements());
          p.forward(loss, lse, 2);
          p.backward(lse, d, 2);
          for (std::int64_t r = 0; r < p.rows; ++r) {
            const double want = p.exact_lse(r), want_loss = want - p.logits[r * p.stride + p.label(r)];
            ASSERT_NEAR(lse[r], want, std::abs(want) * 1e-6 + 1e-7);
            ASSERT_NEAR(loss[r], want_loss, std::max(std::abs(want_loss), 1e-3) * 1e-6) << V;
            for (std::int64_t v = 0; v < V; ++v) {
              const double share = std::exp(p.logits[r * p.stride + v] - want);
              const double slope = 0.25 * (share - (v == p.label(r) ? 1 : 0));
              ASSERT_NEAR(d[r * p.stride + v], slope,
                          std::abs(slope) * rounding(type) + share * 3e-6 + vanishing(type))
                  << V;
            }
          }
        }
}

TEST(CrossEntropy, SmallLossKeepsItsDigits) {
  for (const Isa isa : isas()) {
    Problem p(1, 5000, Element::f32, 1, isa);
    Buffer loss(Element::f32, 1), lse(Element::f32, 1);
    p.logits.set(p.label(0), 20);
    double rest = 0;
    for (std::int64_t v = 0; v < p.V; ++v)
      if (v != p.label(0)) rest += std::exp(p.logits[v] - 20.0);
    p.forward(loss, lse, 1);
    EXPECT_NEAR(loss[0] / std::log1p(rest), 1, 1e-6);
  }
}

TEST(CrossEntropy, SameBitsForAnyThreadsAndInPlace) {
  for (const Isa isa : isas())
    for (const Element type : elements)
      for (const std::int64_t V : {17, 50257}) {
        Problem p(9, V, type, 3, isa);
        p.labels[4] = ignored_label;
        Buffer loss(Element::f32, p.rows), lse(Element::f32, p.rows);
        // The columns behind V, which nothing may touch, hold the logits in both.
        Buffer d = p.logits;
        p.forward(loss, lse, 1);
        p.backward(lse, d, 1);
        EXPECT_EQ(loss[4], 0);
        for (std::int64_t v = 0; v < V; ++v) ASSERT_EQ(d[4 * p.stride + v], 0);
        for (const int threads : {2, 3, 4}) {
          Problem q = p;
          Buffer loss2(Element::f32, p.rows), lse2(Element::f32, p.rows);
          q.forward(loss2, lse2, threads);
          q.backward(lse2, q.logits, threads);
          EXPECT_TRUE(loss == loss2 && lse == lse2 && d == q.logits)
              << name(isa) << " " << V << " " << threads;
        }
      }
}

TEST(CrossEntropy, MaskedLogitsVanishAndNanIsSeen) {
  for (const Isa isa : isas())
    for (const Element type : elements) {
      Problem p(1, 3000, type, 1, isa);
      p.labels[0] = 7;
      for (std::int64_t v = 8; v < 3000; ++v) p.logits.set(v, -infinity);
      Buffer loss(Element::f32, 1), lse(Element::f32, 1), d(type, p.logits.size_elements());
      p.forward(loss, lse, 1);
      p.backward(lse, d, 1);
      EXPECT_NEAR(loss[0], p.exact_lse(0) - p.logits[7], 1e-6);
      for (std::int64_t v = 8; v < 3000; ++v) ASSERT_EQ(d[v], 0);
      p.logits.set(9, -200);
      p.backward(lse, d, 1);
      EXPECT_EQ(d[9], 0) << "underflow";
      for (const std::int64_t v : {7, 8, 2999}) {
        Problem high = p;
        high.logits.set(v, infinity);
        high.forward(loss, lse, 1);
        EXPECT_TRUE(std::isnan(loss[0])) << v;
        Problem bad = p;
        bad.logits.set(v, std::numeric_limits<float>::quiet_NaN());
        bad.forward(loss, lse, 1);
        EXPECT_TRUE(std::isnan(loss[0])) << v;
        bad.backward(lse, d, 1);
        EXPECT_TRUE(std::isnan(d[v])) << v;
      }
    }
}

}  // namespace
}  // namespace hone::kernel
