// From scores to probabilities, with queries in lanes: which keys a query sees, 2^x, dropout, and the two
// ways in which probabilities are laid out for the products that follow.
#pragma once
#include "kernel/isa/attention_pack.hpp"

namespace hone::kernel::HONE_ISA {

constexpr float log2_e = 1.44269504f, ln_2 = 0.693147181f;

// 2^r for |r| <= 1/2, the minimax polynomial of relative error: 7.5e-8 in degree 5, and 7.5e-5 in degree 3
// where the result is rounded to bf16.
template <class Type>
HONE_INLINE F exp2_fraction(F r) {
  if constexpr (Type::rounds) {
    F p = fma(splat(0.0551716691f), r, splat(0.242611122f));
    p = fma(p, r, splat(0.693260985f));
    return fma(p, r, splat(0.999928074f));
  } else {
    F p = fma(splat(0.0013276472f), r, splat(0.00967554133f));
    p = fma(p, r, splat(0.0555071327f));
    p = fma(p, r, splat(0.240221197f));
    p = fma(p, r, splat(0.693146967f));
    return fma(p, r, splat(1.0f));
  }
}

// 2^x for -126 <= x <= 100, x = n + r with n whole; about 2^-126 for all below. Above (a maximum guessed too
// low: the block is done again) the value means nothing, and the sum of bits may wrap: so unsigned.
template <class Type>
HONE_INLINE F exp2(F x) {
  x = max(splat(-126.0f), x);
#if defined(__AVX512F__)
  const __m512 n = _mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return (F)_mm512_scalef_ps((__m512)exp2_fraction<Type>(x - (F)n), n);
#else
  const F shifted = x + splat(12582912.0f);  // 1.5 * 2^23: the low bits now hold n
  const F r = x - (shifted - splat(12582912.0f));
  return as_float((I)((U)bits(exp2_fraction<Type>(r)) + ((U)bits(shifted) << 23)));
#endif
}

// The smallest whole number that is not below x, |x| < 2^22.
HONE_INLINE F ceiling(F x) {
  const F magic = splat(12582912.0f), n = (x + magic) - magic;
  return n + select(n < x, splat(1.0f), F{});
}

// The last and the first key that the query at a position may see; both never fall.
HONE_INLINE Index last_seen(const AttentionSight& sight, Index position) {
  return position < sight.prefix ? sight.prefix - 1 : position;
}
HONE_INLINE Index first_seen(const AttentionSight& sight, Index position) {
  return sight.window && position >= sight.window ? position - sight.window + 1 : 0;
}
// Where a block of queries, the first of them at `position`, begins to read keys. Blocks of keys lie at
// multiples of 64 whatever is seen of them, so that a query's bits do not depend on its neighbours.
HONE_INLINE Index keys_from(const AttentionSight& sight, Index position) {
  return first_seen(sight, position) / block * block;
}
// About how many tiles a task has.
HONE_INLINE Index tiles(const AttentionSight& sight, Index queries, Index keys) {
  const Index across = round_up(keys, block) / block, in_window = sight.window / block + 1;
  const Index each = sight.window && in_window * 2 < across ? in_window * 16
                     : sight.prefix >= keys                 ? across * 16
                                                            : across * 8;
  return round_up(queries, block) / block * each;
}

// Which keys of a block the queries of a block see: query i those from from[i] to last[i].
struct Visible {
  alignas(64) std::int32_t last[block];
  alignas(64) std::int32_t from[block];  // with a window
  Index edge;                            // the largest `from`; -1 without a window
  Index queries, query_groups;           // of the query block; groups are 16 queries or keys
  Index first_key, groups;               // of the key block
  Index first[block / 16];               // first group of queries that sees a key of the group
  bool all;                              // they all begin with query 0
};

// Queries from `position` on, of a sequence with so many keys.
HONE_INLINE void set_queries(Visible& s, const AttentionSight& sight, Index position, Index queries,
                             Index keys) {
  s.queries = queries;
  s.query_groups = round_up(queries, 16) / 16;
  for (Index i = 0; i < block; ++i) {
    const Index last = last_seen(sight, position + i);
    s.last[i] = static_cast<std::int32_t>(last < keys ? last : keys - 1);
  }
  s.edge = -1;
  if (!sight.window) return;
  for (Index i = 0; i < block; ++i) s.from[i] = static_cast<std::int32_t>(first_seen(sight, position + i));
  s.edge = s.from[s.query_groups * 16 - 1];
}

// False when no query of the block sees a key of this one.
HONE_INLINE bool set_keys(Visible& s, Index first_key, Index keys) {
  s.first_key = first_key;
  s.groups = 0;
  s.all = true;
  for (Index g = 0; g * 16 < (keys < block ? keys : block); ++g) {
    Index q = 0;
    while (q < s.query_groups && s.last[q * 16 + 15] < first_key + g * 16) ++q;
    if (q == s.query_groups) break;
    s.first[g] = q;
    s.all = s.all && q == 0;
    ++s.groups;
  }
  return s.groups > 0;
}

// Groups of keys that group q of the queries sees.
HONE_INLINE Index groups_of(const Visible& s, Index q) {
  Index g = 0;
  while (g < s.groups && s.first[g] <= q) ++g;
  return g;
}

// What of a tile has to be masked: on the diagonal only the first 16 queries, so the others are spared the
// work. `window`: all queries, by both bounds.
enum class Mask { none, first, all, window };

template <Mask mask>
constexpr bool masks(int v) {
  return mask == Mask::all || mask == Mask::window || (mask == Mask::first && v * lanes < 16);
}

// For group g of the block's keys and the queries from first[g] on. Where a query's window begins, be it with
// the group, stands Mask::window: the running maximum is guessed there.
HONE_INLINE Mask mask_of(const Visible& s, Index g) {
  if (s.first_key + g * 16 <= s.edge) return Mask::window;
  const Index last_key = s.first_key + g * 16 + 15, q = s.first[g];
  if (last_key <= s.last[q * 16]) return Mask::none;
  return q + 1 == s.query_groups || last_key <= s.last[q * 16 + 16] ? Mask::first : Mask::all;
}

// body(row, v, V, mask) for the strips of V vectors of queries from v on that see group g of the block's
// keys, those from `row` on; V and mask are integral constants.
template <Mask mask, class Body>
HONE_INLINE void each_strip_of(const Visible& s, Index g, const Body& body) {
  const Index first = s.first[g] * (16 / lanes);
  each_strip(
      first, s.query_groups * (16 / lanes), [&](Index v, auto V) __attribute__((always_inline)) {
        constexpr Mask beyond = mask == Mask::first ? Mask::none : mask;  // the first 16 queries
        if ((v - first) * lanes < 16)
          body(g * 16, v, V, std::integral_constant<Mask, mask>{});
        else
          body(g * 16, v, V, std::integral_constant<Mask, beyond>{});
      });
}

template <class Body>
HONE_INLINE void each_visible_strip(const Visible& s, const Body& body) {
  for (Index g = 0; g < s.groups; ++g) {
    const Mask mask = mask_of(s, g);
    if (mask == Mask::none) each_strip_of<Mask::none>(s, g, body);
    if (mask == Mask::first) each_strip_of<Mask::first>(s, g, body);
    if (mask == Mask::all) each_strip_of<Mask::all>(s, g, body);
    if (mask == Mask::window) each_strip_of<Mask::window>(s, g, body);
  }
}

HONE_INLINE I integers(const std::int32_t* p) {
  I v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <Mask mask>
HONE_INLINE I sees(const Visible& s, Index key, Index v) {
  const I k = I{} + static_cast<std::int32_t>(key);
  const I seen = integers(s.last + v * lanes) >= k;
  if constexpr (mask == Mask::window) return seen & (integers(s.from + v * lanes) <= k);
  return seen;
}

// Whether a window begins at one of the four keys from `key` on, a multiple of 4.
HONE_INLINE I begins(const Visible& s, Index key, Index v) {
  return (integers(s.from + v * lanes) & ~3) == (I{} + static_cast<std::int32_t>(key));
}

HONE_INLINE void multiply_words(U a, std::uint32_t m, U& high, U& low) {
#if defined(__AVX512F__)
  const __m512i x = (__m512i)a, y = _mm512_set1_epi64(m);
  const __m512i even = _mm512_mul_epu32(x, y), odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), y);
  low = (U)_mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CCAA);
  high = (U)_mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
#elif defined(__AVX2__)
  const __m256i x = (__m256i)a, y = _mm256_set1_epi64x(m);
  const __m256i even = _mm256_mul_epu32(x, y), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), y);
  low = (U)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  high = (U)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
  for (int i = 0; i < lanes; ++i) {
    const std::uint64_t wide = static_cast<std::uint64_t>(a[i]) * m;
    high[i] = static_cast<std::uint32_t>(wide >> 32);
    low[i] = static_cast<std::uint32_t>(wide);
  }
#endif
}

// Philox4x32-10 of base/random.hpp, one counter a lane, the upper half of the counter zero.
HONE_INLINE void philox(std::uint64_t key, U low, U high, U (&out)[4]) {
  U a = low, b = high, c{}, d{};
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    U ah, al, ch, cl;
    multiply_words(a, 0xD2511F53u, ah, al);
    multiply_words(c, 0xCD9E8D57u, ch, cl);
    a = ch ^ b ^ k0;
    c = ah ^ d ^ k1;
    b = cl;
    d = al;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

// Random bits of 8 keys for the queries of a block.
struct Drops {
  alignas(64) std::uint32_t low[block], high[block];  // counter of (query, key 0)
  U words[block_vectors][4];
};

HONE_INLINE void set_queries(Drops& s, const AttentionDropout& d, Index first_query) {
  for (Index i = 0; i < block; ++i) {
    const std::uint64_t counter = d.counter + static_cast<std::uint64_t>(first_query + i) * d.groups;
    s.low[i] = static_cast<std::uint32_t>(counter);
    s.high[i] = static_cast<std::uint32_t>(counter >> 32);
  }
}

// Draws for keys 8*(key/8) .. +7 of the queries of vectors v .. v+V.
template <int V>
HONE_INLINE void draw(Drops& s, const AttentionDropout& d, Index key, Index v) {
  const U group = U{} + static_cast<std::uint32_t>(key / 8);
  for (Index i = v; i < v + V; ++i) {
    U low, high;
    std::memcpy(&low, s.low + i * lanes, sizeof low);
    std::memcpy(&high, s.high + i * lanes, sizeof high);
    low += group;
    high -= (U)(low < group);  // the carry
    philox(d.key, low, high, s.words[i]);
  }
}

HONE_INLINE I kept(const Drops& s, const AttentionDropout& d, Index key, Index v) {
  const U word = s.words[v][key % 8 / 2];
  return (I)((key % 2 ? word >> 16 : word & 0xffffu) >= (U{} + d.threshold));
}

template <class Type>
HONE_INLINE F rounded(F x) {
  return Type::rounds ? rounded_to<typename Type::Element>(x) : x;
}

// Two neighbouring rows of keys, queries in lanes, for a sum over keys: [pair of keys][64 queries].
template <class Type>
HONE_INLINE void store_for_keys(float* to, Index row, Index v, F even, F odd) {
#if defined(__AVX512BF16__)
  if constexpr (Type::pair == 2) {
    const __m512i index = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    _mm512_storeu_si512(to + row / 2 * block + v * lanes, _mm512_permutexvar_epi16(index, both));
    return;
  }
#endif
  if constexpr (Type::pair == 1) {
    store(to + row * block + v * lanes, rounded<Type>(even));
    store(to + (row + 1) * block + v * lanes, rounded<Type>(odd));
  }
}

// The same two rows for a sum over queries: [key][64 queries], packed in pairs along the queries.
template <class Type>
HONE_INLINE void store_for_queries(float* to, Index row, Index v, F even, F odd) {
#if defined(__AVX512BF16__)
  if constexpr (Type::pair == 2) {
    auto* out = reinterpret_cast<std::uint16_t*>(to + row * (block / 2)) + v * lanes;
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_castsi512_si256(both));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + block), _mm512_extracti64x4_epi64(both, 1));
    return;
  }
#endif
  if constexpr (Type::pair == 1) {
    store(to + row * block + v * lanes, rounded<Type>(even));
    store(to + (row + 1) * block + v * lanes, rounded<Type>(odd));
  }
}

}  // namespace hone::kernel::HONE_ISA
