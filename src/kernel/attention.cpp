#include "kernel/attention.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernel/divide.hpp"
#include "kernel/isa/attention_isa.hpp"

namespace hone::kernel {
namespace {

// A forward task is one head and this many queries; the cut follows the length alone.
constexpr std::int64_t task_queries = 256;
// Up to so many queries of a sequence read a cache by dot products; more go through the flash kernel.
constexpr std::int64_t decode_queries = 4;

std::size_t index(Element type) { return static_cast<std::size_t>(type); }

char* at(const HeadRows& rows, Element type, std::int64_t row, std::int64_t element) {
  return static_cast<char*>(rows.data) + (row * rows.stride + element) * bytes(type);
}

AttentionRows head_rows(const HeadRows& rows, Element type, std::int64_t row, std::int64_t element) {
  return {at(rows, type, row, element), rows.stride, nullptr, 1};
}

AttentionDropout dropout_of(const Attention& a, std::int64_t b, std::int64_t head) {
  if (a.dropout.p <= 0) return {0, 1, 0, 0, 0};
  const auto groups = static_cast<std::uint64_t>((a.S + 7) / 8);
  const std::int64_t row = ((a.dropout.first_sample + b) * a.heads + head) * a.T;
  return {static_cast<std::uint32_t>(std::lround(static_cast<double>(a.dropout.p) * 65536)),
          1 / (1 - a.dropout.p), a.dropout.key, static_cast<std::uint64_t>(row) * groups, groups};
}

std::int64_t keys_of(const Attention& a, std::int64_t b) {
  if (!a.lengths) return a.S;
  assert(a.lengths[b] >= 0 && a.lengths[b] <= a.S);
  return a.lengths[b];
}

AttentionSight sight_of(const Sees& sees, std::int64_t keys) {
  const auto kind = sees.kind;
  return {kind == Sees::Kind::all      ? keys
          : kind == Sees::Kind::prefix ? sees.positions
                                       : 0,
          kind == Sees::Kind::window ? sees.positions : 0};
}

void check(std::int64_t heads, std::int64_t kv_heads, std::int64_t D) {
  assert(D >= 1 && D <= 256 && kv_heads >= 1 && heads % kv_heads == 0);
  (void)heads, (void)kv_heads, (void)D;
}

void check(const Sees& sees) {
  assert(sees.positions >= (sees.kind == Sees::Kind::window ? 1 : 0));
  (void)sees;
}

void check(const Attention& a) {
  check(a.heads, a.kv_heads, a.D);
  check(a.sees);
  assert((!a.sees.looks_back() || a.T == a.S) && a.scale > 0 && a.dropout.p >= 0 && a.dropout.p < 1);
  (void)a;
}

char* worker_scratch(void* scratch, std::int64_t each, int worker) {
  return static_cast<char*>(scratch) + each * worker;
}

std::int64_t each_scratch(const Attention& a, Isa isa) {
  return attention_table_of(isa).forward_scratch[index(a.type)](a.S, a.D);
}

std::int64_t each_scratch(const AttentionGradient& g, Isa isa) {
  const Attention& a = g.forward;
  return attention_table_of(isa).backward_scratch[index(a.type)](a.T, a.S, a.D);
}

bool decodes(const CachedAttention& a) { return a.T <= decode_queries; }

// The cache's capacity for a sequence is what its row of the table can hold.
std::int64_t capacity(const CachedAttention& a) { return a.table_stride * a.block; }

std::int64_t each_scratch(const CachedAttention& a, Isa isa) {
  const AttentionTable& t = attention_table_of(isa);
  if (decodes(a)) return t.decode_scratch(a.heads / a.kv_heads, a.T, a.D);
  const auto& forward = a.coded ? t.forward_coded_scratch : t.forward_scratch;
  return forward[index(a.type)](capacity(a), a.D);
}

// Heads that one worker takes at a time: the next head's rows are fetched while one is computed, and its rows
// lie beside this one's. No result depends on it.
constexpr std::int64_t most_together = 12;
std::int64_t heads_together(std::int64_t heads, int threads) {
  return std::clamp(heads / (threads * 4), std::int64_t{1}, most_together);
}

AttentionForwardTask forward_task(const Attention& a, std::int64_t b, std::int64_t head, std::int64_t run) {
  const std::int64_t kv_head = head / (a.heads / a.kv_heads);
  AttentionForwardTask t{};
  t.q = head_rows(a.q, a.type, b * a.T, head * a.D);
  t.k = head_rows(a.k, a.type, b * a.S, kv_head * a.D);
  t.v = head_rows(a.v, a.type, b * a.S, kv_head * a.D);
  t.o = at(a.o, a.type, b * a.T, head * a.D);
  t.o_stride = a.o.stride;
  t.lse = a.lse ? a.lse + (b * a.heads + head) * a.T : nullptr;
  t.first_query = run * task_queries;
  t.queries = std::min(task_queries, a.T - t.first_query);
  t.keys = keys_of(a, b);
  t.D = a.D;
  t.sight = sight_of(a.sees, t.keys);
  t.scale = a.scale;
  t.dropout = dropout_of(a, b, head);
  return t;
}

AttentionBackwardTask backward_task(const AttentionGradient& g, std::int64_t b, std::int64_t kv_head) {
  const Attention& a = g.forward;
  const std::int64_t group = a.heads / a.kv_heads, head = kv_head * group;
  AttentionBackwardTask t{};
  t.q = head_rows(a.q, a.type, b * a.T, head * a.D);
  t.o = head_rows(a.o, a.type, b * a.T, head * a.D);
  t.d_o = head_rows(g.d_o, a.type, b * a.T, head * a.D);
  t.k = head_rows(a.k, a.type, b * a.S, kv_head * a.D);
  t.v = head_rows(a.v, a.type, b * a.S, kv_head * a.D);
  t.d_q = at(g.d_q, a.type, b * a.T, head * a.D);
  t.d_k = at(g.d_k, a.type, b * a.S, kv_head * a.D);
  t.d_v = at(g.d_v, a.type, b * a.S, kv_head * a.D);
  t.d_q_stride = g.d_q.stride;
  t.d_k_stride = g.d_k.stride;
  t.d_v_stride = g.d_v.stride;
  t.lse = a.lse + (b * a.heads + head) * a.T;
  t.group = group;
  t.T = a.T;
  t.S = a.S;
  t.keys = keys_of(a, b);
  t.D = a.D;
  t.sight = sight_of(a.sees, t.keys);
  t.scale = a.scale;
  t.dropout = dropout_of(a, b, head);
  return t;
}

AttentionRows cache_rows(const CachedAttention& a, const void* cache, std::int64_t b, std::int64_t kv_head) {
  const auto* data = static_cast<const char*>(cache);
  const std::int32_t* table = a.table + b * a.table_stride;
  if (!a.coded) return {data + kv_head * a.D * bytes(a.type), a.kv_heads * a.D, table, a.block};
  const std::int64_t head = coded_head_bytes(a.D);
  return {data + kv_head * head + code_factor_bytes, a.kv_heads * head, table, a.block};
}

// Few queries: a task is one key head's span of one sequence.
struct Decoding {
  const CachedAttention& a;
  const std::int64_t group = a.heads / a.kv_heads, spans = divide_up(capacity(a), decode_span),
                     sums = decode_sums(group * a.T, a.D);

  std::int64_t sums_bytes() const {
    return a.B * a.kv_heads * spans * sums * static_cast<std::int64_t>(sizeof(float));
  }

  // Spans that the sequence's queries see, from the first on.
  std::int64_t first_span(std::int64_t b) const {
    return a.sees.kind == Sees::Kind::window
               ? std::max<std::int64_t>(0, a.lengths[b] + 1 - a.sees.positions) / decode_span
               : 0;
  }
  std::int64_t seen_spans(std::int64_t b) const {
    return divide_up(a.lengths[b] + a.T, decode_span) - first_span(b);
  }

  AttentionDecodeTask task(std::int64_t pair, std::int64_t span, float* all_sums) const {
    const std::int64_t b = pair / a.kv_heads, kv_head = pair % a.kv_heads;
    AttentionDecodeTask t{};
    t.q = head_rows(a.q, a.type, b * a.T, kv_head * group * a.D);
    t.k = cache_rows(a, a.cache_k, b, kv_head);
    t.v = cache_rows(a, a.cache_v, b, kv_head);
    t.o = at(a.o, a.type, b * a.T, kv_head * group * a.D);
    t.o_stride = a.o.stride;
    t.group = group;
    t.queries = a.T;
    t.offset = a.lengths[b];
    t.D = a.D;
    t.first_key = (first_span(b) + span) * decode_span;
    t.last_key = t.first_key + decode_span;
    t.sight = sight_of(a.sees, t.offset + t.queries);
    t.scale = a.scale;
    t.sums = all_sums + (pair * spans + span) * sums;
    return t;
  }
};

void decode(const CachedAttention& a, Isa isa, ThreadPool& pool, void* scratch) {
  const AttentionTable& table = attention_table_of(isa);
  const auto run_task = (a.coded ? table.decode_coded : table.decode)[index(a.type)];
  const auto finish = table.decode_finish[index(a.type)];
  const Decoding decoding{a};
  const std::int64_t each = each_scratch(a, isa), pairs = a.B * a.kv_heads;
  auto* sums = static_cast<float*>(scratch);
  char* own = static_cast<char*>(scratch) + decoding.sums_bytes();
  std::int64_t most = 1;
  for (std::int64_t b = 0; b < a.B; ++b) most = std::max(most, decoding.seen_spans(b));
  pool.run(pairs * most, [&](std::int64_t task, int worker) {
    const std::int64_t pair = task / most, span = task % most, seen = decoding.seen_spans(pair / a.kv_heads);
    if (span >= seen) return;
    AttentionDecodeTask t = decoding.task(pair, span, sums);
    t.scratch = worker_scratch(own, each, worker);
    run_task(t);
    if (seen == 1) finish(t, 1);
  });
  if (most == 1) return;
  for (std::int64_t pair = 0; pair < pairs; ++pair)
    if (const std::int64_t seen = decoding.seen_spans(pair / a.kv_heads); seen > 1)
      finish(decoding.task(pair, 0, sums), seen);
}

}  // namespace

std::int64_t scratch_bytes(const Attention& a, Isa isa, int threads) {
  return each_scratch(a, isa) * threads;
}
std::int64_t scratch_bytes(const AttentionGradient& g, Isa isa, int threads) {
  return each_scratch(g, isa) * threads;
}
std::int64_t scratch_bytes(const CachedAttention& a, Isa isa, int threads) {
  return each_scratch(a, isa) * threads + (decodes(a) ? Decoding{a}.sums_bytes() : 0);
}

void run(const Attention& a, Isa isa, ThreadPool& pool, void* scratch) {
  check(a);
  const std::int64_t each = each_scratch(a, isa), runs = (a.T + task_queries - 1) / task_queries;
  const std::int64_t all = a.B * a.heads * runs, together = heads_together(all, pool.threads());
  pool.run((all + together - 1) / together, [&](std::int64_t group, int worker) {
    AttentionForwardTask tasks[most_together];
    const std::int64_t first = group * together, count = std::min(together, all - first);
    for (std::int64_t i = 0; i < count; ++i) {
      // A head's runs follow each other, since they read the same keys; the longest, with most keys, comes
      // first.
      const std::int64_t head = (first + i) / runs, run = runs - 1 - (first + i) % runs;
      tasks[i] = forward_task(a, head / a.heads, head % a.heads, run);
      tasks[i].scratch = worker_scratch(scratch, each, worker);
    }
    attention_table_of(isa).forward[index(a.type)](tasks, count);
  });
}

void run(const AttentionGradient& g, Isa isa, ThreadPool& pool, void* scratch) {
  const Attention& a = g.forward;
  check(a);
  const std::int64_t each = each_scratch(g, isa), all = a.B * a.kv_heads;
  const std::int64_t together = heads_together(all, pool.threads());
  pool.run((all + together - 1) / together, [&](std::int64_t group, int worker) {
    AttentionBackwardTask tasks[most_together];
    const std::int64_t first = group * together, count = std::min(together, all - first);
    for (std::int64_t i = 0; i < count; ++i) {
      tasks[i] = backward_task(g, (first + i) / a.kv_heads, (first + i) % a.kv_heads);
      tasks[i].scratch = worker_scratch(scratch, each, worker);
    }
    attention_table_of(isa).backward[index(a.type)](tasks, count);
  });
}

void run(const CachedAttention& a, Isa isa, ThreadPool& pool, void* scratch) {
  check(a.heads, a.kv_heads, a.D);
  check(a.sees);
  assert(a.sees.looks_back());
  if (decodes(a)) return decode(a, isa, pool, scratch);
  const std::int64_t each = each_scratch(a, isa), group = a.heads / a.kv_heads;
  const AttentionTable& table = attention_table_of(isa);
  const auto run_task = (a.coded ? table.forward_coded : table.forward)[index(a.type)];
  pool.run(a.B * a.heads, [&](std::int64_t task, int worker) {
    const std::int64_t b = task / a.heads, head = task % a.heads;
    AttentionForwardTask t{};
    t.q = head_rows(a.q, a.type, b * a.T, head * a.D);
    t.k = cache_rows(a, a.cache_k, b, head / group);
    t.v = cache_rows(a, a.cache_v, b, head / group);
    t.o = at(a.o, a.type, b * a.T, head * a.D);
    t.o_stride = a.o.stride;
    t.queries = a.T;
    t.keys = a.lengths[b] + a.T;
    t.D = a.D;
    t.sight = sight_of(a.sees, t.keys);
    t.offset = a.lengths[b];
    t.scale = a.scale;
    t.dropout = {0, 1, 0, 0, 0};
    t.scratch = worker_scratch(scratch, each, worker);
    run_task(&t, 1);
  });
}

}  // namespace hone::kernel
