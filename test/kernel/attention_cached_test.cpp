// Attention that reads a cache in blocks, against the reference.
#include "kernel/attention_reference.hpp"

namespace hone::kernel {
namespace {

using namespace attention_test;

// Queries that stand behind before[b] positions of sequence b, T of each.
struct Chunk {
  int64_t T;
  std::vector<std::int32_t> before;
  int64_t block = 16;  // positions of a block of the cache

  int64_t row(const Shape& s, int64_t b, int64_t t) const {
    return b * s.T + before[static_cast<std::size_t>(b)] + t;
  }
};

// What they give through a cache in shuffled blocks: u has S rows of keys for each sequence and as many
// queries.
Rows cached(const Use& u, const Chunk& chunk, Isa isa, int threads) {
  const Shape& s = u.shape;
  const int64_t blocks_each = (s.S + chunk.block - 1) / chunk.block, width = s.kv_heads * s.D;
  Rows cache_k(s.type, s.B * blocks_each * chunk.block, width, width), cache_v(cache_k),
      q(s.type, s.B * chunk.T, s.heads * s.D, s.heads * s.D + 5), o(q);
  std::vector<std::int32_t> table(static_cast<std::size_t>(s.B * blocks_each));
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int32_t>(table.size() - 1 - i);
  for (int64_t b = 0; b < s.B; ++b) {
    for (int64_t p = 0; p < chunk.before[static_cast<std::size_t>(b)] + chunk.T; ++p)
      for (int64_t c = 0; c < width; ++c) {
        const int64_t number = table[static_cast<std::size_t>(b * blocks_each + p / chunk.block)];
        const int64_t row = number * chunk.block + p % chunk.block;
        cache_k.set(row, c, static_cast<float>(u.k.at(b * s.S + p, c)));
        cache_v.set(row, c, static_cast<float>(u.v.at(b * s.S + p, c)));
      }
    for (int64_t t = 0; t < chunk.T; ++t)
      for (int64_t c = 0; c < q.width; ++c)
        q.set(b * chunk.T + t, c, static_cast<float>(u.q.at(chunk.row(s, b, t), c)));
  }
  CachedAttention a{s.B,
                    chunk.T,
                    s.heads,
                    s.kv_heads,
                    s.D,
                    s.type,
                    q.from_row(0),
                    o.from_row(0),
                    cache_k.from_row(0).data,
                    cache_v.from_row(0).data,
                    chunk.block,
                    table.data(),
                    blocks_each,
                    chunk.before.data(),
                    1 / std::sqrt(static_cast<float>(s.D)),
                    s.sees};
  ThreadPool pool(threads);
  call(a, isa, pool);
  EXPECT_TRUE(o.gaps_untouched());
  return o;
}

// Against attention over the same rows in order, of which `want` is the reference.
void check_cached(const Use& u, const Reference& want, const Chunk& chunk) {
  const Shape& s = u.shape;
  std::vector<double> rows;
  for (int64_t b = 0; b < s.B; ++b) {
    const auto from = want.o.begin() + chunk.row(s, b, 0) * u.o.width;
    rows.insert(rows.end(), from, from + chunk.T * u.o.width);
  }
  for (const Isa isa : isas())
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(name(s, isa) + " T " + std::to_string(chunk.T));
      EXPECT_LT(error(cached(u, chunk, isa, threads), rows), s.type == Element::f32 ? 2e-6 : 1e-2);
    }
}

TEST(CachedAttention, DecodeAndChunks) {
  for (const Element type : types)
    for (const int64_t D : {20, 64, 80}) {
      const Shape s{.B = 3,
                    .T = 300,
                    .S = 300,
                    .heads = 4,
                    .kv_heads = 2,
                    .D = D,
                    .type = type,
                    .sees = Sees::causal()};
      Use u(s);
      const Reference want = reference(u);
      check_cached(u, want, {1, {0, 63, 299}});
      check_cached(u, want, {3, {0, 62, 200}});
      check_cached(u, want, {70, {0, 37, 200}, 32});
      check_cached(u, want, {128, {0, 64, 101}, 7});
    }
}

Shape three(Element type, Sees sees) {
  return {.B = 3, .T = 300, .S = 300, .heads = 4, .kv_heads = 2, .D = 20, .type = type, .sees = sees};
}

TEST(CachedAttention, Windows) {
  for (const Element type : types)
    for (const int64_t window : {1, 7, 64, 65, 100, 400}) {
      Use u(three(type, Sees::window(window)));
      const Reference want = reference(u);
      check_cached(u, want, {1, {0, 63, 299}});
      check_cached(u, want, {4, {5, 62, 200}, 7});
      check_cached(u, want, {70, {0, 37, 200}, 32});
      check_cached(u, want, {128, {0, 64, 101}, 7});
    }
}

// Few queries take keys by spans of 256, which windows begin in the middle of.
TEST(CachedAttention, SpansOfKeys) {
  for (const Element type : types)
    for (const Sees sees : {Sees::causal(), Sees::window(200), Sees::window(257), Sees::prefix(70)}) {
      Use u({.B = 3, .T = 520, .S = 520, .heads = 3, .kv_heads = 1, .D = 16, .type = type, .sees = sees});
      const Reference want = reference(u);
      check_cached(u, want, {1, {255, 256, 519}});
      check_cached(u, want, {1, {511, 512, 300}, 7});
      check_cached(u, want, {4, {254, 509, 516}, 64});
    }
}

// The cache holds the prefix before the first query sees it.
TEST(CachedAttention, Prefixes) {
  for (const Element type : types)
    for (const int64_t prefix : {0, 1, 70}) {
      Use u(three(type, Sees::prefix(prefix)));
      const Reference want = reference(u);
      check_cached(u, want, {1, {69, 130, 299}});
      check_cached(u, want, {4, {66, 68, 200}, 7});
      check_cached(u, want, {70, {0, 37, 200}, 32});
      check_cached(u, want, {128, {0, 64, 101}, 7});
    }
}

// A prefix of which the cache holds a part: that part is seen.
TEST(CachedAttention, PrefixBeyondTheCache) {
  for (const Isa isa : isas())
    for (const int64_t T : {3, 30}) {
      Shape s = three(Element::f32, Sees::prefix(250));
      const Chunk chunk{T, {0, 64, 101}};
      Use u(s);
      const Rows got = cached(u, chunk, isa, 1);
      std::vector<double> want;
      for (int64_t b = 0; b < s.B; ++b) {
        const std::int32_t end = chunk.before[static_cast<std::size_t>(b)] + static_cast<std::int32_t>(T);
        u.shape.lengths.assign(3, end);
        const Reference r = reference(u);
        const auto from = r.o.begin() + chunk.row(s, b, 0) * u.o.width;
        want.insert(want.end(), from, from + T * u.o.width);
      }
      EXPECT_LT(error(got, want), 2e-6) << name(s, isa) << " T " << T;
    }
}

// A position has the same bits whatever chunk it comes in, and those of attention without a cache.
TEST(CachedAttention, RowsDoNotDependOnTheChunk) {
  for (const Element type : types)
    for (const Sees sees : {Sees::causal(), Sees::window(33), Sees::window(100), Sees::prefix(70)})
      for (const Isa isa : isas()) {
        Use u(three(type, sees));
        Stream random(stream_key("spread", 1));
        u.q.fill(random, 40);
        ThreadPool pool(1);
        call(u.attention(), isa, pool);
        for (const Chunk& chunk : {Chunk{70, {0, 30, 200}}, Chunk{40, {50, 131, 222}, 7}}) {
          if (sees.kind == Sees::Kind::prefix && chunk.T < 70) continue;
          const Rows o = cached(u, chunk, isa, 2);
          for (int64_t b = 0; b < 3; ++b)
            for (int64_t t = 0; t < chunk.T; ++t)
              for (int64_t c = 0; c < o.width; ++c)
                ASSERT_EQ(o.at(b * chunk.T + t, c), u.o.at(chunk.row(u.shape, b, t), c))
                    << name(u.shape, isa) << " " << b << " " << t;
        }
      }
}

}  // namespace
}  // namespace hone::kernel
