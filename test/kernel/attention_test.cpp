// Attention against the reference: shapes, tails, types, instruction sets, masks, dropout; its gradients also
// against finite differences.
#include "kernel/attention_reference.hpp"

namespace hone::kernel {
namespace {

using namespace attention_test;

TEST(Attention, LengthsOfSequences) {
  for (const Element type : types)
    for (const int64_t T : {1, 5, 16, 17, 64, 65, 100, 257})
      for (const Sees sees : {Sees::all(), Sees::causal()})
        check({.B = 1, .T = T, .S = T, .heads = 2, .kv_heads = 2, .D = 32, .type = type, .sees = sees});
}

TEST(Attention, HeadSizes) {
  for (const Element type : types)
    for (const int64_t D : {1, 7, 8, 20, 32, 33, 64, 80, 128, 250, 256})
      check({.B = 1,
             .T = 70,
             .S = 70,
             .heads = 2,
             .kv_heads = 1,
             .D = D,
             .type = type,
             .sees = Sees::causal()});
}

TEST(Attention, OtherCountOfKeys) {
  for (const Element type : types)
    for (const int64_t S : {1, 9, 64, 130})
      check({.B = 2, .T = 37, .S = S, .heads = 1, .kv_heads = 1, .D = 16, .type = type});
}

TEST(Attention, GroupedHeads) {
  for (const Element type : types)
    check({.B = 2,
           .T = 130,
           .S = 130,
           .heads = 6,
           .kv_heads = 2,
           .D = 32,
           .type = type,
           .sees = Sees::causal()});
}

TEST(Attention, PaddingOfKeys) {
  for (const Element type : types)
    for (const Sees sees : {Sees::all(), Sees::causal()})
      check({.B = 6,
             .T = 130,
             .S = 130,
             .heads = 2,
             .kv_heads = 1,
             .D = 20,
             .type = type,
             .sees = sees,
             .lengths = {130, 0, 1, 64, 65, 120},
             .p = sees.looks_back() ? 0.1f : 0.0f});
}

TEST(Attention, Dropout) {
  for (const Element type : types)
    for (const int64_t T : {3, 100, 257})
      for (const Sees sees : {Sees::all(), Sees::causal()})
        check({.B = 2,
               .T = T,
               .S = T,
               .heads = 4,
               .kv_heads = 2,
               .D = 32,
               .type = type,
               .sees = sees,
               .p = 0.25f});
}

TEST(Attention, ScoresThatSpreadFarRaiseTheGuessedMaximum) {
  // In a window some queries of a block see none of the keys from which others guess.
  for (const Sees sees : {Sees::all(), Sees::causal(), Sees::window(7), Sees::window(64), Sees::window(90),
                          Sees::prefix(100)}) {
    Use u({.T = 200, .S = 200, .D = 16, .sees = sees, .magnitude = 60});
    const Reference want = reference(u);
    for (const Isa isa : isas()) {
      ThreadPool pool(1);
      call(u.attention(), isa, pool);
      EXPECT_LT(error(u.o, want.o), 2e-5) << name(u.shape, isa);
    }
  }
}

TEST(Attention, NoVisibleKeyGivesZeros) {
  for (const Isa isa : isas()) {
    Use u({.B = 1, .T = 20, .S = 20, .heads = 1, .kv_heads = 1, .D = 8, .lengths = {0}});
    ThreadPool pool(1);
    both(u, isa, pool);
    for (const Rows* rows : {&u.o, &u.d_q, &u.d_k, &u.d_v})
      for (int64_t r = 0; r < 20; ++r)
        for (int64_t c = 0; c < 8; ++c) EXPECT_EQ(rows->at(r, c), 0);
  }
}

// Keys behind the length may hold anything.
TEST(Attention, PaddedKeysAreNotRead) {
  for (const Element type : types)
    for (const Isa isa : isas()) {
      const Shape s{
          .B = 1, .T = 70, .S = 70, .heads = 1, .kv_heads = 1, .D = 24, .type = type, .lengths = {37}};
      Use clean(s), dirty(s);
      for (int64_t r = 37; r < 70; ++r)
        for (int64_t c = 0; c < 24; ++c)
          for (Rows* rows : {&dirty.k, &dirty.v}) rows->set(r, c, std::numeric_limits<float>::quiet_NaN());
      ThreadPool pool(1);
      both(clean, isa, pool);
      both(dirty, isa, pool);
      EXPECT_TRUE(clean.o == dirty.o && clean.d_q == dirty.d_q && clean.d_k == dirty.d_k &&
                  clean.d_v == dirty.d_v);
    }
}

TEST(Attention, SplitOfTheBatchGivesTheSameBits) {
  for (const Element type : types)
    for (const Sees sees : {Sees::causal(), Sees::window(30), Sees::prefix(40)})
      for (const Isa isa : isas()) {
        const Shape s{.B = 3,
                      .T = 90,
                      .S = 90,
                      .heads = 2,
                      .kv_heads = 2,
                      .D = 32,
                      .type = type,
                      .sees = sees,
                      .lengths = {90, 33, 70},
                      .p = 0.1f};
        Use whole(s), split(s);
        ThreadPool pool(2);
        both(whole, isa, pool);
        for (const int64_t first : {0, 1}) {
          call(split.attention(first, first ? 2 : 1), isa, pool);
          call(split.gradient(first, first ? 2 : 1), isa, pool);
        }
        EXPECT_TRUE(whole.o == split.o && whole.d_q == split.d_q && whole.d_k == split.d_k &&
                    whole.d_v == split.d_v);
      }
}

// q, k, v and their gradients as slices of one projection; the same bits as apart.
TEST(Attention, SlicesOfAJointTensor) {
  for (const Element type : types)
    for (const Isa isa : isas()) {
      const Shape s{
          .B = 2, .T = 65, .S = 65, .heads = 4, .kv_heads = 2, .D = 20, .type = type, .sees = Sees::causal()};
      Use apart(s), joined(s);
      const int64_t q_width = s.heads * s.D, k_width = s.kv_heads * s.D, width = q_width + 2 * k_width;
      Rows joint(type, s.B * s.T, width, width), d_joint(joint);
      for (int64_t r = 0; r < joint.rows; ++r)
        for (int64_t c = 0; c < width; ++c)
          joint.set(r, c,
                    static_cast<float>(c < q_width             ? apart.q.at(r, c)
                                       : c < q_width + k_width ? apart.k.at(r, c - q_width)
                                                               : apart.v.at(r, c - q_width - k_width)));
      auto slice = [&](Rows& rows, int64_t column) {
        return HeadRows{static_cast<char*>(rows.from_row(0).data) + column * bytes(type), width};
      };
      AttentionGradient g = joined.gradient();
      g.forward.q = slice(joint, 0), g.forward.k = slice(joint, q_width),
      g.forward.v = slice(joint, q_width + k_width);
      g.d_q = slice(d_joint, 0), g.d_k = slice(d_joint, q_width), g.d_v = slice(d_joint, q_width + k_width);
      ThreadPool pool(2);
      both(apart, isa, pool);
      call(g.forward, isa, pool);
      call(g, isa, pool);
      EXPECT_TRUE(joined.o == apart.o && d_joint.gaps_untouched());
      for (int64_t r = 0; r < joint.rows; ++r)
        for (int64_t c = 0; c < width; ++c)
          ASSERT_EQ(d_joint.at(r, c), c < q_width             ? apart.d_q.at(r, c)
                                      : c < q_width + k_width ? apart.d_k.at(r, c - q_width)
                                                              : apart.d_v.at(r, c - q_width - k_width));
    }
}

// A causal row has the same bits whatever follows it.
TEST(Attention, RowsDoNotDependOnLaterRows) {
  for (const Element type : types)
    for (const Isa isa : isas()) {
      const Shape s{.B = 1,
                    .T = 150,
                    .S = 150,
                    .heads = 1,
                    .kv_heads = 1,
                    .D = 32,
                    .type = type,
                    .sees = Sees::causal()};
      Use full(s);
      ThreadPool pool(1);
      call(full.attention(), isa, pool);
      for (const int64_t T : {1, 40, 64, 99}) {
        Use part(s);
        Attention a = part.attention();
        a.T = a.S = T;
        call(a, isa, pool);
        for (int64_t t = 0; t < T; ++t)
          for (int64_t c = 0; c < 32; ++c)
            ASSERT_EQ(part.o.at(t, c), full.o.at(t, c)) << name(s, isa) << T << " " << t;
      }
    }
}

TEST(Attention, GradientsAgreeWithFiniteDifferences) {
  const Shape s{.B = 1, .T = 5, .S = 5, .heads = 2, .kv_heads = 1, .D = 3, .sees = Sees::causal(), .p = 0.3f};
  for (const Isa isa : isas()) {
    Use u(s);
    ThreadPool pool(1);
    both(u, isa, pool);
    auto loss = [&] {
      const Reference r = reference(u);
      double sum = 0;
      for (int64_t i = 0; i < u.o.rows * u.o.width; ++i)
        sum += r.o[static_cast<std::size_t>(i)] * u.d_o.at(i / u.o.width, i % u.o.width);
      return sum;
    };
    const std::pair<Rows*, const Rows*> pairs[] = {{&u.q, &u.d_q}, {&u.k, &u.d_k}, {&u.v, &u.d_v}};
    for (const auto& [x, gradient] : pairs)
      for (int64_t i = 0; i < x->rows * x->width; ++i) {
        float& value = x->f[x->index(i / x->width, i % x->width)];
        const float saved = value, up = saved + 1e-2f, down = saved - 1e-2f;
        value = up;
        const double above = loss();
        value = down;
        const double below = loss();
        value = saved;
        EXPECT_NEAR(gradient->at(i / x->width, i % x->width),
                    (above - below) / (static_cast<double>(up) - static_cast<double>(down)), 2e-4);
      }
  }
}

}  // namespace
}  // namespace hone::kernel
