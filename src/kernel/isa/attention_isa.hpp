// What src/kernel/attention.cpp and the attention loops of one instruction set say to each other: plain data
// and a table of functions. A task is one head of one sequence, or a run of its queries.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// The rows of one head: D elements from data + row * stride; or, with a table, row r lies in block
// table[r / block] at place r % block, and blocks of block * stride elements follow each other at data. Rows
// of codes (kernel/cache_codes.hpp): elements are bytes, data is the first row's first code.
struct AttentionRows {
  const void* data;
  std::int64_t stride;
  const std::int32_t* table;
  std::int64_t block;
};

// The query at position p sees the keys up to p, or all of the first `prefix` where p stands among them; and
// of these only the last `window` up to p, unless window is 0. To see all keys is a prefix of all keys.
struct AttentionSight {
  std::int64_t prefix, window;
};

// Pair (query t, key s) is kept when 16 bits of philox(key; counter + t * groups + s / 8) reach threshold.
struct AttentionDropout {
  std::uint32_t threshold;  // 0: no dropout
  float keep_scale;         // 1 / (1 - p)
  std::uint64_t key, counter, groups;
};

struct AttentionForwardTask {
  AttentionRows q, k, v;
  void* o;
  std::int64_t o_stride;
  float* lse;                         // of query 0, or null
  std::int64_t first_query, queries;  // this task's run; query t is row t of q and o
  std::int64_t keys, D;               // keys that count, 0 or more
  AttentionSight sight;
  std::int64_t offset;  // position of query 0
  float scale;
  AttentionDropout dropout;
  void* scratch;
};

// One key head with all query heads that read it. The heads of a group lie D elements apart in q, o, d_o, d_q
// and T elements apart in lse; dropout.counter is that of the first head and T * groups more for each next.
struct AttentionBackwardTask {
  AttentionRows q, k, v, o, d_o;
  void *d_q, *d_k, *d_v;
  std::int64_t d_q_stride, d_k_stride, d_v_stride;
  const float* lse;
  std::int64_t group, T, S;  // query heads, queries, keys
  std::int64_t keys, D;      // the first `keys` of the S keys count
  AttentionSight sight;      // query t stands at position t
  float scale;
  AttentionDropout dropout;
  void* scratch;
};

// Few queries against a cache of offset + queries keys: all query heads of one key head, `queries` rows of
// each; query t stands at position offset + t. Heads lie D elements apart in q and o. A task takes the keys
// of one span, of those that are seen; what it gives, f32[decode_sums], stands beside that of the next span.
constexpr std::int64_t decode_span = 256;
constexpr std::int64_t decode_sums(std::int64_t rows, std::int64_t D) {
  return rows * ((D + 15) / 16 * 16) + 2 * ((rows + 15) / 16 * 16);
}
struct AttentionDecodeTask {
  AttentionRows q, k, v;
  void* o;
  std::int64_t o_stride;
  std::int64_t group, queries, offset, D;
  std::int64_t first_key, last_key;  // of the span, the last one not in it
  AttentionSight sight;
  float scale;
  float* sums;
  void* scratch;
};

// Indexed by Element. While a task of a list computes, the rows of the next one are fetched into the cache.
struct AttentionTable {
  std::int64_t (*forward_scratch[element_types])(std::int64_t keys, std::int64_t D);
  void (*forward[element_types])(const AttentionForwardTask* tasks, std::int64_t count);
  std::int64_t (*backward_scratch[element_types])(std::int64_t T, std::int64_t S, std::int64_t D);
  void (*backward[element_types])(const AttentionBackwardTask* tasks, std::int64_t count);
  std::int64_t (*decode_scratch)(std::int64_t group, std::int64_t queries, std::int64_t D);
  void (*decode[element_types])(const AttentionDecodeTask&);
  // The result, of the sums of so many spans from t.sums on.
  void (*decode_finish[element_types])(const AttentionDecodeTask& t, std::int64_t spans);
  // The same of keys and values in codes; decoding takes the same scratch.
  std::int64_t (*forward_coded_scratch[element_types])(std::int64_t keys, std::int64_t D);
  void (*forward_coded[element_types])(const AttentionForwardTask* tasks, std::int64_t count);
  void (*decode_coded[element_types])(const AttentionDecodeTask&);
};

HONE_BUILDS(AttentionTable, attention_table);

}  // namespace hone::kernel
