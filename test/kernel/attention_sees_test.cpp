// Windows and prefixes: against the reference, and the bits they share with what they are cases of.
#include "kernel/attention_reference.hpp"

namespace hone::kernel {
namespace {

using namespace attention_test;

TEST(AttentionSees, Windows) {
  for (const Element type : types)
    for (const int64_t T : {5, 70, 257})
      for (const int64_t window : {1, 7, 64, 65, 100, 300})
        check(
            {.T = T, .S = T, .heads = 2, .kv_heads = 1, .D = 20, .type = type, .sees = Sees::window(window)});
}

TEST(AttentionSees, Prefixes) {
  for (const Element type : types)
    for (const int64_t T : {5, 70, 257})
      for (const int64_t prefix : {0, 1, 17, 70, 130, 257, 300})
        check(
            {.T = T, .S = T, .heads = 2, .kv_heads = 1, .D = 20, .type = type, .sees = Sees::prefix(prefix)});
}

// More than one task of queries, and blocks of keys that no query of a task sees.
TEST(AttentionSees, WindowsOfLongSequences) {
  for (const Element type : types)
    for (const int64_t window : {7, 100})
      check({.T = 600, .S = 600, .D = 32, .type = type, .sees = Sees::window(window)});
}

// Queries whose window lies behind the length see nothing.
TEST(AttentionSees, PaddingOfKeys) {
  for (const Element type : types)
    for (const Sees sees : {Sees::window(1), Sees::window(7), Sees::window(64), Sees::window(100),
                            Sees::prefix(1), Sees::prefix(70), Sees::prefix(130)})
      check({.B = 6,
             .T = 257,
             .S = 257,
             .heads = 2,
             .kv_heads = 1,
             .D = 20,
             .type = type,
             .sees = sees,
             .lengths = {257, 0, 1, 64, 65, 120},
             .p = 0.1f});
}

TEST(AttentionSees, NoVisibleKeyGivesZeros) {
  for (const Isa isa : isas()) {
    Use u({.T = 200, .S = 200, .sees = Sees::window(10), .lengths = {70}});
    ThreadPool pool(1);
    both(u, isa, pool);
    for (int64_t t = 79; t < 200; ++t) {
      EXPECT_EQ(u.lse[static_cast<std::size_t>(t)], -std::numeric_limits<float>::infinity());
      for (int64_t c = 0; c < 8; ++c) {
        EXPECT_EQ(u.o.at(t, c), 0);
        EXPECT_EQ(u.d_q.at(t, c), 0);
      }
    }
    EXPECT_TRUE(std::isfinite(u.lse[78]));
  }
}

TEST(AttentionSees, GroupedHeadsAndDropout) {
  for (const Element type : types)
    for (const Sees sees : {Sees::window(50), Sees::prefix(50)})
      check({.B = 2,
             .T = 130,
             .S = 130,
             .heads = 6,
             .kv_heads = 2,
             .D = 32,
             .type = type,
             .sees = sees,
             .p = 0.25f});
}

TEST(AttentionSees, SameBitsAsWhatTheyAreCasesOf) {
  for (const Element type : types)
    for (const Isa isa : isas())
      for (const int64_t T : {5, 150}) {
        ThreadPool pool(2);
        auto result = [&](Sees sees) {
          Use u({.B = 2, .T = T, .S = T, .heads = 2, .D = 32, .type = type, .sees = sees, .magnitude = 40});
          both(u, isa, pool);
          return u;
        };
        const Use causal = result(Sees::causal()), all = result(Sees::all());
        EXPECT_TRUE(same_bits(result(Sees::window(T)), causal)) << name(causal.shape, isa);
        EXPECT_TRUE(same_bits(result(Sees::window(1000000)), causal)) << name(causal.shape, isa);
        EXPECT_TRUE(same_bits(result(Sees::prefix(0)), causal)) << name(causal.shape, isa);
        EXPECT_TRUE(same_bits(result(Sees::prefix(T)), all)) << name(causal.shape, isa);
        EXPECT_TRUE(same_bits(result(Sees::prefix(1000000)), all)) << name(causal.shape, isa);
      }
}

// What a query does not see may hold anything finite.
TEST(AttentionSees, RowsDependOnSeenKeysAlone) {
  constexpr int64_t T = 200;
  for (const Element type : types)
    for (const Isa isa : isas())
      for (const Sees sees : {Sees::causal(), Sees::window(1), Sees::window(50), Sees::window(64),
                              Sees::window(100), Sees::prefix(70)}) {
        Use u({.T = T, .S = T, .D = 32, .type = type, .sees = sees, .magnitude = 20});
        ThreadPool pool(1);
        call(u.attention(), isa, pool);
        for (const int64_t t : {0, 3, 63, 64, 100, 127, 130, 199}) {
          Use other(u.shape);
          Stream random(stream_key("unseen", 1));
          for (int64_t s = 0; s < T; ++s)
            for (int64_t c = 0; c < 32 && !sees.sees(t, s); ++c)
              for (Rows* rows : {&other.k, &other.v}) rows->set(s, c, random.normal() * 30);
          call(other.attention(), isa, pool);
          for (int64_t c = 0; c < 32; ++c)
            ASSERT_EQ(other.o.at(t, c), u.o.at(t, c)) << name(u.shape, isa) << " query " << t;
          ASSERT_EQ(other.lse[static_cast<std::size_t>(t)], u.lse[static_cast<std::size_t>(t)]);
        }
      }
}

TEST(AttentionSees, SameBitsOnEveryVectorInstructionSet) {
  for (const Sees sees : {Sees::window(7), Sees::window(64), Sees::window(100), Sees::prefix(70)}) {
    const Shape s{.T = 257, .S = 257, .heads = 2, .D = 20, .sees = sees, .p = 0.1f, .magnitude = 40};
    std::vector<Use> results;
    for (const Isa isa : isas()) {
      if (isa == Isa::portable) continue;
      results.emplace_back(s);
      ThreadPool pool(1);
      both(results.back(), isa, pool);
      EXPECT_TRUE(same_bits(results.back(), results.front())) << name(s, isa);
    }
  }
}

}  // namespace
}  // namespace hone::kernel
