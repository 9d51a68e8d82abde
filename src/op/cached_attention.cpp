#include <cmath>
#include <cstring>

#include "kernel/attention.hpp"
#include "kernel/cache_codes.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

// Keys and values that outlive a program: blocks of positions, found through a table for each sequence.
namespace hone::op {
namespace {

void require_table(const InferInput& i, std::size_t table, std::size_t lengths, std::int64_t B) {
  i.require(lengths, {{B}, DType::i32});
  if (i.in[table].dtype != DType::i32 || i.in[table].shape.rank() != 2 || i.in[table].shape[0] != B)
    i.fail("not a table of cache blocks", "i32[" + std::to_string(B) + ",blocks]", to_string(i.in[table]));
}

std::vector<OutputSpec> infer_append(const InferInput& i) {
  using In = CacheAppendInputs;
  i.require_rank(In::rows, 3);
  i.require_rank(In::cache, 3);
  const TensorType &rows = i.in[In::rows], &cache = i.in[In::cache];
  require_table(i, In::table, In::lengths, rows.shape[0]);
  if (rows.shape.last() != cache.shape.last() || rows.dtype != cache.dtype)
    i.fail("the cache does not fit the keys", to_string(cache), to_string(rows));
  return {{cache, In::cache}};
}

// Address of position p of sequence b in a cache operand.
std::byte* cache_row(const Operand& cache, const Operand& table, std::int64_t b, std::int64_t position) {
  const std::int64_t block = cache.type.shape[1], width = cache.type.shape[2];
  const std::int64_t number = table.as<std::int32_t>()[b * table.type.shape[1] + position / block];
  return cache.as<std::byte>() + ((number * block + position % block) * width) * size_bytes(cache.type.dtype);
}

// append(row, to): writes the row of keys at `row` to its position in the cache.
template <class Append>
void append_rows(const Call& c, const Append& append) {
  using In = CacheAppendInputs;
  const Operand &x = c.in[In::rows], &table = c.in[In::table];
  const std::int64_t T = x.type.shape[1];
  c.pool->run(x.type.shape[0] * T, [&](std::int64_t row, int) {
    const std::int64_t b = row / T, position = c.in[In::lengths].as<std::int32_t>()[b] + row % T;
    if (position / c.in[In::cache].type.shape[1] >= table.type.shape[1]) return;  // padding past the capacity
    append(row, cache_row(c.out[0], table, b, position));
  });
}

const std::byte* row_of(const Operand& x, std::int64_t row) {
  return x.as<std::byte>() + row * x.row_stride() * size_bytes(x.type.dtype);
}

void run_append(const Call& c) {
  const Operand& x = c.in[CacheAppendInputs::rows];
  const auto bytes = static_cast<std::size_t>(x.type.shape.last() * size_bytes(x.type.dtype));
  append_rows(c, [&](std::int64_t row, std::byte* to) { std::memcpy(to, row_of(x, row), bytes); });
}

std::vector<OutputSpec> infer_append_codes(const InferInput& i) {
  using In = CacheAppendInputs;
  const std::int64_t heads = i.attributes.as<CacheCodesAttributes>().kv_heads;
  i.require_rank(In::rows, 3);
  i.require_rank(In::cache, 3);
  const TensorType &rows = i.in[In::rows], &cache = i.in[In::cache];
  require_table(i, In::table, In::lengths, rows.shape[0]);
  if (!is_floating(rows.dtype) || heads < 1 || rows.shape.last() % heads != 0 || cache.dtype != DType::u8 ||
      cache.shape.last() != heads * kernel::coded_head_bytes(rows.shape.last() / heads))
    i.fail("the cache does not fit the keys' codes", to_string(cache), to_string(rows));
  return {{cache, In::cache}};
}

void run_append_codes(const Call& c) {
  const Operand& x = c.in[CacheAppendInputs::rows];
  const std::int64_t heads = c.attributes.as<CacheCodesAttributes>().kv_heads;
  append_rows(c, [&](std::int64_t row, std::byte* to) {
    kernel::code_heads({row_of(x, row), element(x.type.dtype)}, heads, x.type.shape.last() / heads, to);
  });
}

void reference_append_codes(const Call& c) {
  const Operand& x = c.in[CacheAppendInputs::rows];
  const std::int64_t heads = c.attributes.as<CacheCodesAttributes>().kv_heads,
                     D = x.type.shape.last() / heads;
  append_rows(c, [&](std::int64_t row, std::byte* to) {
    for (std::int64_t h = 0; h < heads; ++h, to += kernel::coded_head_bytes(D)) {
      const auto at = [&](std::int64_t d) { return static_cast<float>(get(x, row * heads * D + h * D + d)); };
      float most = 0;
      for (std::int64_t d = 0; d < D; ++d) most = std::max(most, std::abs(at(d)));
      const float factor = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0;
      std::memcpy(to, &factor, sizeof factor);
      for (std::int64_t d = 0; d < D; ++d)
        to[kernel::code_factor_bytes + d] =
            static_cast<std::byte>(static_cast<int>(std::nearbyint(at(d) * inverse)));
    }
  });
}

// Reads the new rows and writes them; the rest of the cache is not touched.
Cost append_cost(const Program& p, const Node& n) {
  return {.flops = 0, .bytes = 2 * static_cast<double>(p[n.inputs[CacheAppendInputs::rows]].type.bytes())};
}

using In = CachedAttentionInputs;

std::vector<OutputSpec> infer(const InferInput& i) {
  i.require_rank(In::q, 3);
  require_table(i, In::table, In::lengths, i.in[In::q].shape[0]);
  const auto a = i.attributes.as<AttentionAttributes>();
  const std::int64_t coded = a.kv_heads * kernel::coded_head_bytes(i.in[In::q].shape.last() / a.heads);
  for (const std::size_t cache : {In::cache_k, In::cache_v})
    if (i.in[cache].dtype == DType::u8
            ? i.in[cache].shape.last() != coded || i.in[In::cache_k].dtype != DType::u8
            : i.in[cache].dtype != i.in[In::q].dtype)
      i.fail("queries and cache differ in type", to_string(i.in[In::q]), to_string(i.in[cache]));
  return {{i.in[In::q]}};
}

Cost cost(const Program& p, const Node& n) {
  const TensorType& q = p[n.inputs[In::q]].type;
  const double keys =
      static_cast<double>(p[n.inputs[In::table]].type.shape[1] * p[n.inputs[In::cache_k]].type.shape[1]);
  return {.flops = 4 * static_cast<double>(q.shape.elements()) * keys,
          .bytes = operand_bytes(p, n),
          .low_precision = q.dtype == DType::bf16};
}

kernel::CachedAttention arguments(const Call& c) {
  const auto a = c.attributes.as<AttentionAttributes>();
  const Operand &q = c.in[In::q], &table = c.in[In::table];
  const Shape& shape = q.type.shape;
  return {.B = shape[0],
          .T = shape[1],
          .heads = a.heads,
          .kv_heads = a.kv_heads,
          .D = shape[2] / a.heads,
          .type = element(q.type.dtype),
          .q = {q.data, q.row_stride()},
          .o = {c.out[0].data, c.out[0].row_stride()},
          .cache_k = c.in[In::cache_k].data,
          .cache_v = c.in[In::cache_v].data,
          .block = c.in[In::cache_k].type.shape[1],
          .table = table.as<std::int32_t>(),
          .table_stride = table.type.shape[1],
          .lengths = c.in[In::lengths].as<std::int32_t>(),
          .scale = a.scale,
          .sees = a.sees,
          .coded = c.in[In::cache_k].type.dtype == DType::u8};
}
std::int64_t scratch(const Call& c) { return kernel::scratch_bytes(arguments(c), c.isa, c.pool->threads()); }
void run(const Call& c) { kernel::run(arguments(c), c.isa, *c.pool, c.scratch); }

// Element j of a row of heads in codes.
double coded_element(const std::byte* row, std::int64_t D, std::int64_t j) {
  const std::byte* head = row + j / D * kernel::coded_head_bytes(D);
  float factor;
  std::memcpy(&factor, head, sizeof factor);
  return static_cast<double>(factor) * static_cast<std::int8_t>(head[kernel::code_factor_bytes + j % D]);
}

void reference(const Call& c) {
  const auto a = arguments(c);
  const std::int64_t width = a.kv_heads * a.D;
  auto key = [&](const Operand& cache, std::int64_t b, std::int64_t position, std::int64_t j) {
    if (a.coded) return coded_element(cache_row(cache, c.in[In::table], b, position), a.D, j);
    const auto block =
        static_cast<std::int64_t>(get(c.in[In::table], b * a.table_stride + position / a.block));
    return get(cache, (block * a.block + position % a.block) * width + j);
  };
  for (std::int64_t b = 0; b < a.B; ++b)
    for (std::int64_t t = 0; t < a.T; ++t)
      for (std::int64_t h = 0; h < a.heads; ++h) {
        const std::int64_t at = ((b * a.T + t) * a.heads + h) * a.D, kv = h / (a.heads / a.kv_heads) * a.D;
        const std::int64_t position = a.lengths[b] + t, cached = a.lengths[b] + a.T;
        std::vector<double> p;
        double sum = 0;
        for (std::int64_t s = 0; s < cached; ++s) {
          p.push_back(0);
          if (!a.sees.sees(position, s)) continue;
          double score = 0;
          for (std::int64_t d = 0; d < a.D; ++d)
            score += get(c.in[In::q], at + d) * key(c.in[In::cache_k], b, s, kv + d);
          p.back() = std::exp(score * static_cast<double>(a.scale));
          sum += p.back();
        }
        for (std::int64_t d = 0; d < a.D; ++d) {
          double o = 0;
          for (std::int64_t s = 0; s < cached; ++s)
            o += p[static_cast<std::size_t>(s)] / sum * key(c.in[In::cache_v], b, s, kv + d);
          set(c.out[0], at + d, o);
        }
      }
}

bool takes_append(const Call& c) { return gaps_only_in(c, {CacheAppendInputs::rows}, {}); }
bool takes(const Call& c) { return gaps_only_in(c, {In::q}, {0}); }

constexpr InputRecord append_inputs[] = {{"rows"}, {"cache"}, {"table"}, {"lengths"}};
constexpr InputRecord inputs[] = {{"q"}, {"cache_k"}, {"cache_v"}, {"table"}, {"lengths"}};

constexpr std::size_t append_states[] = {CacheAppendInputs::cache};

constexpr Variant append_variants[] = {{"rows", "cpu", takes_append, nullptr, run_append}};
constexpr Variant append_codes_variants[] = {{"heads", "cpu", takes_append, nullptr, run_append_codes}};
constexpr Variant variants[] = {{"blocks", "cpu", takes, scratch, run}};

}  // namespace

const OpRecord cache_append{.name = "cache_append",
                            .inputs = append_inputs,
                            .infer = infer_append,
                            .cost = append_cost,
                            .reference = run_append,
                            .variants = append_variants,
                            .autocast = Autocast::lower,  // keys that no product made are f32 until here
                            .states_like_first = append_states};
const OpRecord cache_append_codes{.name = "cache_append_codes",
                                  .inputs = append_inputs,
                                  .infer = infer_append_codes,
                                  .cost = append_cost,
                                  .reference = reference_append_codes,
                                  .variants = append_codes_variants,
                                  .autocast = Autocast::any};  // one rounding less
const OpRecord cached_attention{.name = "cached_attention",
                                .inputs = inputs,
                                .infer = infer,
                                .cost = cost,
                                .reference = reference,
                                .variants = variants,
                                .autocast = Autocast::lower};

}  // namespace hone::op
