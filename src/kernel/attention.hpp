// Scaled dot-product attention without the T x T matrix (Dao et al., "FlashAttention", 2022), forward and
// backward, and the form that reads a cache of keys and values in blocks.
//
// A row of a joint tensor holds heads side by side: head h of position t of sequence b starts at
// data[(b*T + t) * stride + h*D]. So q, k and v may be slices of one [B*T, 3C] projection. Query head h reads
// key head h / (heads / kv_heads). A result has the same bits for any number of threads and of sequences, and
// a row the same bits whatever the keys hold that it does not see (if finite). In bf16 probabilities and
// their gradients are rounded to bf16 before the second products; all sums are f32. Scratch is 64-byte
// aligned.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/cache_codes.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

struct HeadRows {  // const or not as the use says
  void* data = nullptr;
  std::int64_t stride = 0;  // elements from one position to the next
};

// Probabilities are dropped (and the kept ones scaled by 1/(1-p)) by philox(key; index of the pair), where
// the pair is (sample, head, query, key) and sample = first_sample + b counts sequences of the whole step.
struct Dropout {
  float p = 0;
  std::uint64_t key = 0;
  std::int64_t first_sample = 0;
};

// Which keys query t sees, beside lengths. Keys and queries are counted from the same place, except for
// `all`.
struct Sees {
  enum class Kind : std::uint8_t {
    all,
    causal,  // keys 0..t
    window,  // the last `positions` of those: t - positions + 1 .. t
    prefix,  // those, and the first `positions` in any case
  } kind = Kind::all;
  std::int64_t positions = 0;

  static constexpr Sees all() { return {}; }
  static constexpr Sees causal() { return {Kind::causal, 0}; }
  static constexpr Sees window(std::int64_t n) { return {Kind::window, n}; }
  static constexpr Sees prefix(std::int64_t n) { return {Kind::prefix, n}; }

  constexpr bool operator==(const Sees&) const = default;
  constexpr bool looks_back() const { return kind != Kind::all; }
  constexpr bool sees(std::int64_t t, std::int64_t s) const {
    return kind == Kind::all || (s <= t && (kind != Kind::window || s > t - positions)) ||
           (kind == Kind::prefix && s < positions);
  }
  // Of T queries and S keys, how many pairs are computed; for costs.
  constexpr double pairs(std::int64_t T, std::int64_t S) const {
    const auto all_pairs = static_cast<double>(T) * static_cast<double>(S);
    if (kind == Kind::all) return all_pairs;
    if (kind == Kind::window && positions < S) return static_cast<double>(T) * static_cast<double>(positions);
    return all_pairs / 2;
  }
};

struct Attention {
  std::int64_t B = 0, T = 0, S = 0;             // sequences, queries of each, keys of each
  std::int64_t heads = 0, kv_heads = 0, D = 0;  // D <= 256
  Element type = Element::f32;                  // of q, k, v, o and their gradients
  HeadRows q, k, v, o;
  float* lse = nullptr;  // [B,heads,T] natural log of the sum of exponentials; written forward, read
                         // backward; -infinity where a query sees no key (its o and gradients are zero)
  float scale = 0;       // of the scores, above 0, usually 1/sqrt(D)
  Sees sees;             // T == S unless all; a window has a position at least
  const std::int32_t* lengths =
      nullptr;  // [B] keys that count in each sequence, the rest is padding; or null
  Dropout dropout;
};

struct AttentionGradient {
  Attention forward;  // o and lse as the forward pass wrote them
  HeadRows d_o, d_q, d_k, d_v;
};

// Queries that follow what a cache holds: query t of sequence b stands at position lengths[b] + t. The new
// keys and values are in the cache already; of a prefix those are seen that came before or with this call. A
// window's time and reading follow its length: of the keys in front of it at most 63 are touched. Cache:
// [blocks, block, kv_heads*D], position p of sequence b in block table[b*table_stride + p/block]. Up to 4
// queries are answered by dot products while the cache streams by, more by the flash kernel: the bits of a
// row depend on which, on nothing else.
struct CachedAttention {
  std::int64_t B = 0, T = 0;
  std::int64_t heads = 0, kv_heads = 0, D = 0;
  Element type = Element::f32;
  HeadRows q, o;  // [B*T] rows
  const void* cache_k = nullptr;
  const void* cache_v = nullptr;
  std::int64_t block = 0;
  const std::int32_t* table = nullptr;
  std::int64_t table_stride = 0;
  const std::int32_t* lengths = nullptr;  // [B] positions before this call
  float scale = 0;
  Sees sees = Sees::causal();  // not all
  bool coded = false;          // the cache is [blocks, block, kv_heads * coded_head_bytes(D)] bytes
};

std::int64_t scratch_bytes(const Attention&, Isa, int threads);
std::int64_t scratch_bytes(const AttentionGradient&, Isa, int threads);
std::int64_t scratch_bytes(const CachedAttention&, Isa, int threads);

void run(const Attention&, Isa, ThreadPool&, void* scratch);
void run(const AttentionGradient&, Isa, ThreadPool&,
         void* scratch);  // d_q, d_k, d_v are written, not added to
void run(const CachedAttention&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
