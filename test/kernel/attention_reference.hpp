// For the tests of attention: tensors whose gaps and guards are NaN, which nothing may read or write, and a
// slow f64 reference of the outputs and gradients.
#pragma once
#include "kernel/attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/types.hpp"
#include "kernel/buffer.hpp"

namespace hone::kernel::attention_test {

using std::int64_t;

constexpr int64_t guard = 64;  // elements before and after every tensor

// Rows of `width` elements at `stride`, NaN everywhere else.
struct Rows {
  Element type;
  int64_t rows, width, stride;
  std::vector<float> f;
  std::vector<std::uint16_t> h;

  Rows(Element t, int64_t r, int64_t w, int64_t s) : type(t), rows(r), width(w), stride(s) {
    const auto n = static_cast<std::size_t>(2 * guard + rows * stride);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    if (type == Element::f32)
      f.assign(n, nan);
    else
      h.assign(n, narrow(nan));
  }
  std::size_t index(int64_t r, int64_t c) const { return static_cast<std::size_t>(guard + r * stride + c); }
  double at(int64_t r, int64_t c) const {
    return static_cast<double>(type == Element::f32    ? f[index(r, c)]
                               : type == Element::bf16 ? to_f32(bf16{h[index(r, c)]})
                                                       : to_f32(f16{h[index(r, c)]}));
  }
  void set(int64_t r, int64_t c, float x) {
    if (type == Element::f32)
      f[index(r, c)] = x;
    else
      h[index(r, c)] = narrow(x);
  }
  std::uint16_t narrow(float x) const { return type == Element::bf16 ? to_bf16(x).bits : to_f16(x).bits; }
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
           (h.empty() || std::memcmp(h.data(), o.h.data(), h.size() * sizeof h[0]) == 0);
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
  Sees sees = Sees::all();
  std::vector<std::int32_t> lengths = {};
  float p = 0;
  float magnitude = 1;  // of q: large ones make the scores spread
};

inline std::string name(const Sees& s) {
  constexpr const char* names[] = {"", " causal", " window ", " prefix "};
  return names[static_cast<std::size_t>(s.kind)] + (s.positions ? std::to_string(s.positions) : "");
}

inline std::string name(const Shape& s, Isa isa) {
  return std::string(name(isa)) + " " + name(s.type) + " B" + std::to_string(s.B) + " T" +
         std::to_string(s.T) + " S" + std::to_string(s.S) + " H" + std::to_string(s.heads) + "/" +
         std::to_string(s.kv_heads) + " D" + std::to_string(s.D) + name(s.sees) + (s.p > 0 ? " dropout" : "");
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
    a.sees = s.sees;
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

inline void both(Use& u, Isa isa, ThreadPool& pool) {
  call(u.attention(), isa, pool);
  call(u.gradient(), isa, pool);
}

struct Reference {
  std::vector<double> o, lse, d_q, d_k, d_v;  // as the tensors, without gaps
};

inline bool keeps(const Attention& a, int64_t b, int64_t h, int64_t t, int64_t s) {
  if (a.dropout.p == 0) return true;
  const auto row = static_cast<std::uint64_t>(((a.dropout.first_sample + b) * a.heads + h) * a.T + t);
  const auto words = philox(
      a.dropout.key, row * static_cast<std::uint64_t>((a.S + 7) / 8) + static_cast<std::uint64_t>(s / 8), 0);
  const std::uint32_t word = words[static_cast<std::size_t>(s % 8 / 2)];
  return (s % 2 ? word >> 16 : word & 0xffffu) >=
         static_cast<std::uint32_t>(std::lround(a.dropout.p * 65536));
}

// One (b, h, t): o and lse; and with gradients into r.
inline void reference_row(Use& u, const Attention& a, int64_t b, int64_t h, int64_t t, Reference& r) {
  const int64_t D = a.D, kh = h / (a.heads / a.kv_heads), row = b * a.T + t;
  std::vector<int64_t> seen;
  for (int64_t s = 0; s < (a.lengths ? a.lengths[b] : a.S); ++s)
    if (a.sees.sees(t, s)) seen.push_back(s);
  const auto width = static_cast<std::size_t>(a.heads * D),
             kv_width = static_cast<std::size_t>(a.kv_heads * D);
  std::vector<double> p(seen.size()), dp(p.size());
  double top = -1e300, sum = 0, delta = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    double& x = p[i];
    for (int64_t d = 0; d < D; ++d) x += u.q.at(row, h * D + d) * u.k.at(b * a.S + seen[i], kh * D + d);
    x *= static_cast<double>(a.scale);
    top = std::max(top, x);
  }
  for (double& x : p) sum += x = std::exp(x - top);
  r.lse[static_cast<std::size_t>((b * a.heads + h) * a.T + t)] = top + std::log(sum);
  const double keep_scale = 1 / (1 - static_cast<double>(a.dropout.p));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const int64_t s = seen[i];
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
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const int64_t s = seen[i];
    const double ds = p[i] * (dp[i] - delta) * static_cast<double>(a.scale);
    for (int64_t d = 0; d < D; ++d) {
      r.d_q[static_cast<std::size_t>(row) * width + static_cast<std::size_t>(h * D + d)] +=
          ds * u.k.at(b * a.S + s, kh * D + d);
      r.d_k[static_cast<std::size_t>(b * a.S + s) * kv_width + static_cast<std::size_t>(kh * D + d)] +=
          ds * u.q.at(row, h * D + d);
    }
  }
}

inline Reference reference(Use& u) {
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
inline double error(const Rows& got, const std::vector<double>& want) {
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

inline void expect_near(const Use& u, const Reference& r) {
  const auto type = static_cast<std::size_t>(u.shape.type);
  // Where a query sees few keys, dP - delta cancels, and delta comes from the rounded output; all queries
  // that see one key err by the same rounding. In f16 nothing but what is stored is rounded, to 11 bits.
  const bool few = !u.shape.lengths.empty() || u.shape.sees.kind == Sees::Kind::window;
  const double output = std::array{2e-6, 1e-2, 1e-3}[type], lse = std::array{2e-5, 5e-4, 2e-5}[type];
  const double gradient = few ? std::array{1e-5, 4e-2, 8e-3}[type] : std::array{1e-5, 2e-2, 2e-3}[type];
  EXPECT_LT(error(u.o, r.o), output);
  for (std::size_t i = 0; i < u.lse.size(); ++i)
    if (std::isfinite(r.lse[i])) {
      EXPECT_NEAR(static_cast<double>(u.lse[i]), r.lse[i], lse);
    } else {
      EXPECT_EQ(static_cast<double>(u.lse[i]), r.lse[i]);
    }
  EXPECT_LT(error(u.d_q, r.d_q), gradient);
  EXPECT_LT(error(u.d_k, r.d_k), gradient);
  EXPECT_LT(error(u.d_v, r.d_v), gradient);
}

constexpr Element types[] = {Element::f32, Element::bf16, Element::f16};

inline bool same_bits(const Use& a, const Use& b) {
  return a.o == b.o && a.d_q == b.d_q && a.d_k == b.d_k && a.d_v == b.d_v &&
         std::memcmp(a.lse.data(), b.lse.data(), a.lse.size() * sizeof(float)) == 0;
}

// On every instruction set, against the reference, and the same bits for 1, 2 and 3 threads.
inline void check(const Shape& shape) {
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
        EXPECT_TRUE(same_bits(x, first)) << threads;
      }
    }
  }
}

}  // namespace hone::kernel::attention_test
