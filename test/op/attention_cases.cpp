#include <cmath>
#include <cstring>

#include "kernel/cache_codes.hpp"
#include "op/cases.hpp"

namespace hone {
namespace {

struct Size {
  std::int64_t B, T, heads, kv_heads, D;
};
// Small where they can be: the references take time as B T^2 heads D.
constexpr Size sizes[] = {{1, 1, 1, 1, 1},    {2, 7, 2, 1, 3},    {1, 65, 3, 3, 17}, {2, 33, 4, 2, 64},
                          {1, 65, 1, 1, 100}, {1, 128, 1, 1, 64}, {1, 300, 1, 1, 5}};

// bf16: probabilities and score gradients are rounded to bf16 before the products that follow, an error of up
// to 2^-9 of each term. f16: rounded is only the output, which the gradient reads, by 2^-12.
double loose(DType dtype) { return dtype == DType::bf16 ? 0x1p-7 : dtype == DType::f16 ? 0x1p-10 : 0; }

void fill_forward(const Call& c) {
  Call forward = c;
  using In = op::AttentionGradientInputs;
  forward.in = {c.in[In::q], c.in[In::k], c.in[In::v], c.in[In::lengths], c.in[In::step]};
  forward.out = {c.in[In::o], c.in[In::lse]};
  op::attention.reference(forward);
}

void add_whole(DType dtype, const Size& s, std::int64_t gap, std::vector<OpCase>& cases) {
  const Input q{{{s.B, s.T, s.heads * s.D}, dtype}, normals(), gap};
  const Input kv{{{s.B, s.T, s.kv_heads * s.D}, dtype}, normals(), gap ? gap + 3 : 0};
  const Input lse{op::f32({s.B, s.heads, s.T})};
  for (const bool causal : {true, false})
    for (const float dropout : {0.0f, 0.25f}) {
      const op::AttentionAttributes a{.heads = s.heads,
                                      .kv_heads = s.kv_heads,
                                      .scale = 1 / std::sqrt(static_cast<float>(s.D)),
                                      .sees = causal ? kernel::Sees::causal() : kernel::Sees::all(),
                                      .dropout = dropout,
                                      .stream = 7};
      cases.push_back({&op::attention, {q, kv, kv, none, step(0, 3)}, a, {gap, 0}, nullptr, loose(dtype)});
      if (!causal && dropout == 0)
        cases.push_back(
            {&op::source_attention, {q, kv, kv, none, step(0, 3)}, a, {gap, 0}, nullptr, loose(dtype)});
      cases.push_back({&op::attention_gradient,
                       {q, q, kv, kv, q, lse, none, step(0, 3)},
                       a,
                       {gap, gap, gap},
                       fill_forward,
                       loose(dtype)});
    }
}

void fill_packed_forward(const Call& c) {
  Call forward = c;
  using In = op::PackedAttentionGradientInputs;
  forward.in = {c.in[In::q], c.in[In::k], c.in[In::v], c.in[In::positions], c.in[In::step]};
  forward.out = {c.in[In::o], c.in[In::lse]};
  op::packed_attention.reference(forward);
}

// Examples of 1, 2, 4, .. tokens, others in each row; what is left is one more.
void add_packed(DType dtype, const Size& s, std::int64_t gap, std::vector<OpCase>& cases) {
  std::vector<double> positions;
  for (std::int64_t b = 0; b < s.B; ++b)
    for (std::int64_t t = 0, length = 1 + 2 * b, left = length; t < s.T; ++t, --left) {
      if (left == 0) length *= 2, left = length;
      positions.push_back(static_cast<double>(length - left));
    }
  const Input q{{{s.B, s.T, s.heads * s.D}, dtype}, normals(), gap};
  const Input kv{{{s.B, s.T, s.kv_heads * s.D}, dtype}, normals(), gap ? gap + 3 : 0};
  const Input lse{op::f32({s.B, s.heads, s.T})}, at{{{s.B, s.T}, DType::i32}, given(positions)};
  const op::AttentionAttributes a{
      .heads = s.heads, .kv_heads = s.kv_heads, .scale = 1 / std::sqrt(static_cast<float>(s.D))};
  cases.push_back({&op::packed_attention, {q, kv, kv, at, step(0, 3)}, a, {gap, 0}, nullptr, loose(dtype)});
  cases.push_back({&op::packed_attention_gradient,
                   {q, q, kv, kv, q, lse, at, step(0, 3)},
                   a,
                   {gap, gap, gap},
                   fill_packed_forward,
                   loose(dtype)});
}

// Heads in codes, as a cache has them: small factors, any codes.
void fill_codes(const Call& c, std::int64_t D) {
  Stream stream(stream_key("cache codes", static_cast<std::uint64_t>(D)));
  using In = op::CachedAttentionInputs;
  for (const std::size_t i : {In::cache_k, In::cache_v}) {
    const Operand& cache = c.in[i];
    auto* at = cache.as<std::byte>();
    for (std::byte* const end = at + cache.type.bytes(); at < end; at += kernel::code_factor_bytes + D) {
      const float factor = 0.01f + 0.01f * stream.uniform();
      std::memcpy(at, &factor, sizeof factor);
      for (std::int64_t d = 0; d < D; ++d)
        at[kernel::code_factor_bytes + d] = static_cast<std::byte>(static_cast<int>(stream.below(255)) - 127);
    }
  }
}

void add_cached(DType dtype, const Size& s, std::int64_t gap, std::vector<OpCase>& cases) {
  const std::int64_t block = 16, most = (s.T + 40 + block - 1) / block;
  std::vector<double> table, lengths;
  for (std::int64_t b = 0; b < s.B; ++b) {
    lengths.push_back(static_cast<double>(b == 0 ? 0 : 13 * b));
    for (std::int64_t i = 0; i < most; ++i)
      table.push_back(static_cast<double>(s.B * most - 1 - (b * most + i)));
  }
  const std::int64_t width = s.kv_heads * s.D;
  const Input q{{{s.B, s.T, s.heads * s.D}, dtype}, normals(), gap},
      kv{{{s.B, s.T, width}, dtype}, normals(), gap};
  const Input cache{{{s.B * most, block, width}, dtype}}, tables{{{s.B, most}, DType::i32}, given(table)};
  const Input length{{{s.B}, DType::i32}, given(lengths)};
  const op::AttentionAttributes a{
      .heads = s.heads, .kv_heads = s.kv_heads, .scale = 1 / std::sqrt(static_cast<float>(s.D))};
  cases.push_back({&op::cache_append, {kv, cache, tables, length}, NoAttributes{}});
  cases.push_back(
      {&op::cached_attention, {q, cache, cache, tables, length}, a, {gap}, nullptr, loose(dtype)});
  const Input codes{{{s.B * most, block, s.kv_heads * kernel::coded_head_bytes(s.D)}, DType::u8}};
  cases.push_back({&op::cache_append_codes,
                   {kv, codes, tables, length},
                   op::CacheCodesAttributes{.kv_heads = s.kv_heads}});
  for (const kernel::Sees sees :
       {kernel::Sees::causal(), kernel::Sees::window(20), kernel::Sees::prefix(9)}) {
    op::AttentionAttributes looks = a;
    looks.sees = sees;
    cases.push_back({&op::cached_attention,
                     {q, codes, codes, tables, length},
                     looks,
                     {gap},
                     [D = s.D](const Call& c) { fill_codes(c, D); },
                     loose(dtype)});
  }
}

// Whole heads and parts of them, near positions and far ones.
void add_rotations(DType dtype, const Size& s, std::int64_t gap, std::vector<OpCase>& cases) {
  for (const std::int64_t width : {2 * s.D, (s.D + 1) / 2 * 2})
    for (const bool inverse : {false, true}) {
      const Input x{{{s.B, s.T, s.heads * 2 * s.D}, dtype}, normals(), gap};
      const Input positions{{{s.B, s.T}, DType::i32}, ids(inverse ? 2 * s.T : 1 << 20)};
      const Input frequencies{op::f32({width / 2}), [](std::int64_t, Stream& r) { return r.uniform(); }};
      const op::RotateAttributes a{.heads = s.heads, .inverse = inverse, .factor = gap ? 1.25f : 1};
      cases.push_back({&op::rotate, {x, positions, frequencies}, a, {gap}});
    }
}

}  // namespace

void add_attention_cases(DType dtype, std::vector<OpCase>& cases) {
  for (const Size& s : sizes)
    for (const std::int64_t gap : {0, 5}) {
      add_whole(dtype, s, gap, cases);
      add_packed(dtype, s, gap, cases);
      add_cached(dtype, s, gap, cases);
      add_rotations(dtype, s, gap, cases);
    }
}

}  // namespace hone
