// Attention against a slow f64 reference: shapes, tails, types, instruction sets, masks, dropout; its
// gradients also against finite differences. Every buffer has gaps and guards of NaN, which nothing may read
// or write.
#include "kernel/attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/types.hpp"

namespace hone::kernel {
namespace {

using std::int64_t;

constexpr int64_t guard = 64;  // elements before and after every tensor

std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
    if (cpu_has(isa)) all.push_back(isa);
  return all;
}

// Rows of `width` elements at `stride`, of either type, NaN everywhere else.
struct Rows {
  Element type;
  int64_t rows, width, stride;
  std::vector<float> f;
  std::vector<bf16> h;

  Rows(Element t, int64_t r, int64_t w, int64_t s) : type(t), rows(r), width(w), stride(s) {
    const auto n = static_cast<std::size_t>(2 * guard + rows * stride);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    if (type == Element::f32)
      f.assign(n, nan);
    else
      h.assign(n, to_bf16(nan));
  }
  std::size_t index(int64_t r, int64_t c) const { return static_cast<std::size_t>(guard + r * stride + c); }
  double at(int64_t r, int64_t c) const {
    return static_cast<double>(type == Element::f32 ? f[index(r, c)] : to_f32(h[index(r, c)]));
  }
  void set(int64_t r, int64_t c, float x) {
    if (type == Element::f32)
      f[index(r, c)] = x;
    else
      h[index(r, c)] = to_bf16(x);
  }
  void fill(Stream& random, float scale) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < width; ++c) set(r, c, random.normal() * scale);
  }
  HeadRows from_row(int64_t r) {
    void* p = type == Element::f32 ? static_cast<void*>(f.data() + index(r, 0)) : h.data() + index(r, 0);
    return {p, stride};
  }
  bool gaps_untouched() const {
    for (int64_t i = -guard; i < rows * stride + guard; ++i) {
      const bool inside = i >= 0 && i < rows * stride && i % stride < width;
      if (!inside && !std::isnan(at(0, i))) return false;
    }
    return true;
  }
  bool operator==(const Rows& o) const {
    return f.size() == o.f.size() && h.size() == o.h.size() &&
           (f.empty() || std::memcmp(f.data(), o.f.data(), f.size() * sizeof(float)) == 0) &&
           (h.empty() || std::memcmp(h.data(), o.h.data(), h.size() * sizeof(bf16)) == 0);
  }
};

// 64-byte aligned scratch of NaN with a guard behind it.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : bytes_(static_cast<std::size_t>(bytes)), data_(bytes_ + 128, '\xff') {}
  void* get() { return data_.data() + offset(); }
  bool guard_untouched() const {
    return std::all_of(data_.begin() + static_cast<std::ptrdiff_t>(bytes_ + offset()), data_.end(),
                       [](char c) { return c == '\xff'; });
  }

 private:
  std::size_t offset() const { return (64 - reinterpret_cast<std::uintptr_t>(data_.data()) % 64) % 64; }
  std::size_t bytes_;
  std::vector<char> data_;
};

struct Shape {
  int64_t B = 1, T = 1, S = 1, heads = 1, kv_heads = 1, D = 8;
  Element type = Element::f32;
  bool causal = false;
  std::vector<std::int32_t> lengths = {};
  float p = 0;
  float magnitude = 1;  // of q: large ones make the scores spread
};

std::string name(const Shape& s, Isa isa) {
  return std::string(name(isa)) + (s.type == Element::f32 ? " f32" : " bf16") + " B" + std::to_string(s.B) +
         " T" + std::to_string(s.T) + " S" + std::to_string(s.S) + " H" + std::to_string(s.heads) + "/" +
         std::to_string(s.kv_heads) + " D" + std::to_string(s.D) + (s.causal ? " causal" : "") +
         (s.p > 0 ? " dropout" : "");
}

// All tensors of one use; q, k and v are slices of one joint tensor when T == S.
struct Use {
  Shape shape;
  Rows q, k, v, o, d_o, d_q, d_k, d_v;
  std::vector<float> lse;

  static int64_t gap(const Shape& s, int64_t heads) { return heads * s.D + 3; }
  explicit Use(const Shape& s)
      : shape(s),
        q(s.type, s.B * s.T, s.heads * s.D, gap(s, s.heads)),
        k(s.type, s.B * s.S, s.kv_heads * s.D, gap(s, s.kv_heads)),
        v(k),
        o(q),
        d_o(q),
        d_q(q),
        d_k(k),
        d_v(k),
        lse(static_cast<std::size_t>(s.B * s.heads * s.T), 0.0f) {
    Stream random(stream_key("attention test", 1));
    q.fill(random, s.magnitude);
    k.fill(random, 1);
    v.fill(random, 1);
    d_o.fill(random, 1);
  }

  Attention attention(int64_t first = 0, int64_t count = -1) {
    const Shape& s = shape;
    Attention a;
    a.B = count < 0 ? s.B : count;
    a.T = s.T, a.S = s.S, a.heads = s.heads, a.kv_heads = s.kv_heads, a.D = s.D, a.type = s.type;
    a.q = q.from_row(first * s.T), a.o = o.from_row(first * s.T);
    a.k = k.from_row(first * s.S), a.v = v.from_row(first * s.S);
    a.lse = lse.data() + first * s.heads * s.T;
    a.scale = 1 / std::sqrt(static_cast<float>(s.D));
    a.causal = s.causal;
    a.lengths = s.lengths.empty() ? nullptr : s.lengths.data() + first;
    a.dropout = {s.p, 0x123456789abcdefull, 5 + first};
    return a;
  }
  AttentionGradient gradient(int64_t first = 0, int64_t count = -1) {
    const Shape& s = shape;
    return {attention(first, count), d_o.from_row(first * s.T), d_q.from_row(first * s.T),
            d_k.from_row(first * s.S), d_v.from_row(first * s.S)};
  }
  bool gaps_untouched() const {
    return o.gaps_untouched() && d_q.gaps_untouched() && d_k.gaps_untouched() && d_v.gaps_untouched();
  }
};

template <class Call>
void call(const Call& c, Isa isa, ThreadPool& pool) {
  Scratch scratch(scratch_bytes(c, isa, pool.threads()));
  run(c, isa, pool, scratch.get());
  EXPECT_TRUE(scratch.guard_untouched());
}

void both(Use& u, Isa isa, ThreadPool& pool) {
  call(u.attention(), isa, pool);
  call(u.gradient(), isa, pool);
}

struct Reference {
  std::vector<double> o, lse, d_q, d_k, d_v;  // as the tensors, without gaps
};

bool keeps(const Attention& a, int64_t b, int64_t h, int64_t t, int64_t s) {
  if (a.dropout.p == 0) return true;
  const auto row = static_cast<std::uint64_t>(((a.dropout.first_sample + b) * a.heads + h) * a.T + t);
  const auto words = philox(
      a.dropout.key, row * static_cast<std::uint64_t>((a.S + 7) / 8) + static_cast<std::uint64_t>(s / 8), 0);
  const std::uint32_t word = words[static_cast<std::size_t>(s % 8 / 2)];
  return (s % 2 ? word >> 16 : word & 0xffffu) >=
         static_cast<std::uint32_t>(std::lround(a.dropout.p * 65536));
}

// One (b, h, t): o and lse; and with gradients into r.
void reference_row(Use& u, const Attention& a, int64_t b, int64_t h, int64_t t, Reference& r) {
  const int64_t D = a.D, kh = h / (a.heads / a.kv_heads), row = b * a.T + t;
  const int64_t limit = a.lengths ? a.lengths[b] : a.S, n = a.causal ? std::min(limit, t + 1) : limit;
  const auto width = static_cast<std::size_t>(a.heads * D),
             kv_width = static_cast<std::size_t>(a.kv_heads * D);
  std::vector<double> p(static_cast<std::size_t>(n)), dp(p.size());
  double top = -1e300, sum = 0, delta = 0;
  for (int64_t s = 0; s < n; ++s) {
    double& x = p[static_cast<std::size_t>(s)];
    for (int64_t d = 0; d < D; ++d) x += u.q.at(row, h * D + d) * u.k.at(b * a.S + s, kh * D + d);
    x *= static_cast<double>(a.scale);
    top = std::max(top, x);
  }
  for (double& x : p) sum += x = std::exp(x - top);
  r.lse[static_cast<std::size_t>((b * a.heads + h) * a.T + t)] = n ? top + std::log(sum) : 0;
  const double keep_scale = 1 / (1 - static_cast<double>(a.dropout.p));
  for (int64_t s = 0; s < n; ++s) {
    const auto i = static_cast<std::size_t>(s);
    p[i] /= sum;
    const double kept = keeps(a, b, h, t, s) ? keep_scale : 0;
    for (int64_t d = 0; d < D; ++d) {
      const auto at = static_cast<std::size_t>(row) * width + static_cast<std::size_t>(h * D + d);
      const auto kv_at =
          static_cast<std::size_t>(b * a.S + s) * kv_width + static_cast<std::size_t>(kh * D + d);
      const double value = u.v.at(b * a.S + s, kh * D + d), up = u.d_o.at(row, h * D + d);
      r.o[at] += p[i] * kept * value;
      r.d_v[kv_at] += p[i] * kept * up;
      dp[i] += kept * value * up;
    }
    delta += p[i] * dp[i];
  }
  for (int64_t s = 0; s < n; ++s) {
    const double ds = p[static_cast<std::size_t>(s)] * (dp[static_cast<std::size_t>(s)] - delta) *
                      static_cast<double>(a.scale);
    for (int64_t d = 0; d < D; ++d) {
      r.d_q[static_cast<std::size_t>(row) * width + static_cast<std::size_t>(h * D + d)] +=
          ds * u.k.at(b * a.S + s, kh * D + d);
      r.d_k[static_cast<std::size_t>(b * a.S + s) * kv_width + static_cast<std::size_t>(kh * D + d)] +=
          ds * u.q.at(row, h * D + d);
    }
  }
}

Reference reference(Use& u) {
  const Attention a = u.attention();
  const auto q = static_cast<std::size_t>(a.B * a.T * a.heads * a.D);
  const auto k = static_cast<std::size_t>(a.B * a.S * a.kv_heads * a.D);
  Reference r{std::vector<double>(q), std::vector<double>(static_cast<std::size_t>(a.B * a.heads * a.T)),
              std::vector<double>(q), std::vector<double>(k), std::vector<double>(k)};
  for (int64_t b = 0; b < a.B; ++b)
    for (int64_t h = 0; h < a.heads; ++h)
      for (int64_t t = 0; t < a.T; ++t) reference_row(u, a, b, h, t, r);
  return r;
}

// The largest difference as a share of the largest value, or of 1: the gradient of a single key is zero.
double error(const Rows& got, const std::vector<double>& want) {
  double most = 0, largest = 1;
  for (int64_t r = 0; r < got.rows; ++r)
    for (int64_t c = 0; c < got.width; ++c) {
      const double w = want[static_cast<std::size_t>(r * got.width + c)],
                   difference = std::abs(got.at(r, c) - w);
      if (!(difference <= most)) most = std::isnan(difference) ? 1e9 : difference;
      largest = std::max(largest, std::abs(w));
    }
  return most / largest;
}

void expect_near(const Use& u, const Reference& r) {
  const bool single = u.shape.type == Element::f32;
  // Where a query sees few keys, dP - delta cancels, and in bf16 delta comes from the rounded output.
  const double output = single ? 2e-6 : 1e-2, gradient = single                    ? 1e-5
                                                         : u.shape.lengths.empty() ? 2e-2
                                                                                   : 4e-2;
  EXPECT_LT(error(u.o, r.o), output);
  for (std::size_t i = 0; i < u.lse.size(); ++i)
    if (std::isfinite(u.lse[i])) {
      EXPECT_NEAR(static_cast<double>(u.lse[i]), r.lse[i], single ? 2e-5 : 5e-4);
    }
  EXPECT_LT(error(u.d_q, r.d_q), gradient);
  EXPECT_LT(error(u.d_k, r.d_k), gradient);
  EXPECT_LT(error(u.d_v, r.d_v), gradient);
}

// On every instruction set, against the reference, and the same bits for 1, 2 and 3 threads.
void check(const Shape& shape) {
  Use u(shape);
  const Reference r = reference(u);
  for (const Isa isa : isas()) {
    SCOPED_TRACE(name(shape, isa));
    Use first(shape);
    for (const int threads : {1, 2, 3}) {
      Use x(shape);
      ThreadPool pool(threads);
      both(x, isa, pool);
      if (threads == 1) {
        expect_near(x, r);
        EXPECT_TRUE(x.gaps_untouched());
        first = x;
      } else {
        EXPECT_TRUE(x.o == first.o && x.d_q == first.d_q && x.d_k == first.d_k && x.d_v == first.d_v)
            << threads;
        EXPECT_EQ(std::memcmp(x.lse.data(), first.lse.data(), x.lse.size() * 4), 0);
      }
    }
  }
}

constexpr Element types[] = {Element::f32, Element::bf16};

TEST(Attention, LengthsOfSequences) {
  for (const Element type : types)
    for (const int64_t T : {1, 5, 16, 17, 64, 65, 100, 257})
      for (const bool causal : {false, true})
        check({.B = 1, .T = T, .S = T, .heads = 2, .kv_heads = 2, .D = 32, .type = type, .causal = causal});
}

TEST(Attention, HeadSizes) {
  for (const Element type : types)
    for (const int64_t D : {1, 7, 8, 20, 32, 33, 64, 80, 128, 250, 256})
      check({.B = 1, .T = 70, .S = 70, .heads = 2, .kv_heads = 1, .D = D, .type = type, .causal = true});
}

TEST(Attention, OtherCountOfKeys) {
  for (const Element type : types)
    for (const int64_t S : {1, 9, 64, 130})
      check({.B = 2, .T = 37, .S = S, .heads = 1, .kv_heads = 1, .D = 16, .type = type});
}

TEST(Attention, GroupedHeads) {
  for (const Element type : types)
    check({.B = 2, .T = 130, .S = 130, .heads = 6, .kv_heads = 2, .D = 32, .type = type, .causal = true});
}

TEST(Attention, PaddingOfKeys) {
  for (const Element type : types)
    for (const bool causal : {false, true})
      check({.B = 6,
             .T = 130,
             .S = 130,
             .heads = 2,
             .kv_heads = 1,
             .D = 20,
             .type = type,
             .causal = causal,
             .lengths = {130, 0, 1, 64, 65, 120},
             .p = causal ? 0.1f : 0.0f});
}

TEST(Attention, Dropout) {
  for (const Element type : types)
    for (const int64_t T : {3, 100, 257})
      for (const bool causal : {false, true})
        check({.B = 2,
               .T = T,
               .S = T,
               .heads = 4,
               .kv_heads = 2,
               .D = 32,
               .type = type,
               .causal = causal,
               .p = 0.25f});
}

TEST(Attention, ScoresThatSpreadFarRaiseTheGuessedMaximum) {
  for (const bool causal : {false, true}) {
    Use u(
        {.B = 1, .T = 200, .S = 200, .heads = 1, .kv_heads = 1, .D = 16, .causal = causal, .magnitude = 60});
    for (const Isa isa : isas()) {
      ThreadPool pool(1);
      call(u.attention(), isa, pool);
      EXPECT_LT(error(u.o, reference(u).o), 2e-5) << name(isa);
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
    for (const Isa isa : isas()) {
      const Shape s{.B = 3,
                    .T = 90,
                    .S = 90,
                    .heads = 2,
                    .kv_heads = 2,
                    .D = 32,
                    .type = type,
                    .causal = true,
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
          .B = 2, .T = 65, .S = 65, .heads = 4, .kv_heads = 2, .D = 20, .type = type, .causal = true};
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
      const Shape s{
          .B = 1, .T = 150, .S = 150, .heads = 1, .kv_heads = 1, .D = 32, .type = type, .causal = true};
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
  const Shape s{.B = 1, .T = 5, .S = 5, .heads = 2, .kv_heads = 1, .D = 3, .causal = true, .p = 0.3f};
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

// A cache in shuffled blocks against causal attention over the same rows in order.
void check_cached(const Shape& s, int64_t block, int64_t T, const std::vector<std::int32_t>& before) {
  Use u(s);  // S rows of keys for each sequence, as many queries
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
  const Reference want = reference(u);
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
      check_cached(s, 16, 1, {0, 63, 299});
      check_cached(s, 16, 3, {0, 62, 200});
      check_cached(s, 32, 70, {0, 37, 200});
      check_cached(s, 7, 128, {0, 64, 101});
    }
}

}  // namespace
}  // namespace hone::kernel
