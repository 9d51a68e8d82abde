// Attention that reads a cache in blocks, against the reference.
#include "kernel/attention_reference.hpp"

namespace hone::kernel {
namespace {

using namespace attention_test;

// A cache in shuffled blocks against causal attention over the same rows in order: u has S rows of keys for
// each sequence and as many queries, `want` is its reference.
void check_cached(const Use& u, const Reference& want, int64_t block, int64_t T,
                  const std::vector<std::int32_t>& before) {
  const Shape& s = u.shape;
  const int64_t blocks_each = (s.S + block - 1) / block, width = s.kv_heads * s.D;
  Rows cache_k(s.type, s.B * blocks_each * block, width, width), cache_v(cache_k),
      q(s.type, s.B * T, s.heads * s.D, s.heads * s.D + 5);
  std::vector<std::int32_t> table(static_cast<std::size_t>(s.B * blocks_each));
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int32_t>(table.size() - 1 - i);
  for (int64_t b = 0; b < s.B; ++b) {
    for (int64_t p = 0; p < before[static_cast<std::size_t>(b)] + T; ++p)
      for (int64_t c = 0; c < width; ++c) {
        const int64_t row = table[static_cast<std::size_t>(b * blocks_each + p / block)] * block + p % block;
        cache_k.set(row, c, static_cast<float>(u.k.at(b * s.S + p, c)));
        cache_v.set(row, c, static_cast<float>(u.v.at(b * s.S + p, c)));
      }
    for (int64_t t = 0; t < T; ++t)
      for (int64_t c = 0; c < q.width; ++c)
        q.set(b * T + t, c, static_cast<float>(u.q.at(b * s.T + before[static_cast<std::size_t>(b)] + t, c)));
  }
  for (const Isa isa : isas())
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(name(s, isa) + " T " + std::to_string(T));
      Rows o(s.type, s.B * T, q.width, q.stride);
      CachedAttention a{s.B,
                        T,
                        s.heads,
                        s.kv_heads,
                        s.D,
                        s.type,
                        q.from_row(0),
                        o.from_row(0),
                        cache_k.from_row(0).data,
                        cache_v.from_row(0).data,
                        block,
                        table.data(),
                        blocks_each,
                        before.data(),
                        1 / std::sqrt(static_cast<float>(s.D))};
      ThreadPool pool(threads);
      call(a, isa, pool);
      EXPECT_TRUE(o.gaps_untouched());
      std::vector<double> rows;
      for (int64_t b = 0; b < s.B; ++b) {
        const auto from = want.o.begin() + (b * s.T + before[static_cast<std::size_t>(b)]) * q.width;
        rows.insert(rows.end(), from, from + T * q.width);
      }
      EXPECT_LT(error(o, rows), s.type == Element::f32 ? 2e-6 : 1e-2);
    }
}

TEST(CachedAttention, DecodeAndChunks) {
  for (const Element type : types)
    for (const int64_t D : {20, 64, 80}) {
      const Shape s{
          .B = 3, .T = 300, .S = 300, .heads = 4, .kv_heads = 2, .D = D, .type = type, .causal = true};
      Use u(s);
      const Reference want = reference(u);
      check_cached(u, want, 16, 1, {0, 63, 299});
      check_cached(u, want, 16, 3, {0, 62, 200});
      check_cached(u, want, 32, 70, {0, 37, 200});
      check_cached(u, want, 7, 128, {0, 64, 101});
    }
}

}  // namespace
}  // namespace hone::kernel
