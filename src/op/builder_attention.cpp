#include <algorithm>
#include <cmath>
#include <vector>

#include "base/number.hpp"
#include "base/random.hpp"
#include "kernel/cache_codes.hpp"
#include "op/builder_nodes.hpp"
#include "op/common.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"

namespace hone {

using namespace builder;

namespace {

struct CacheInputs {
  TensorId table, lengths;
};
CacheInputs cache_inputs(BuilderState& b) {
  const BuildOptions& o = b.options;
  return {b.input(input::cache_table, {{o.batch, o.cache.blocks_a_sequence}, DType::i32},
                  {.meaning = Meaning::cache_table}),
          b.input(input::cache_lengths, {{o.batch}, DType::i32}, {.meaning = Meaning::cache_lengths})};
}

// Decoding: the new keys (or values) go into the cache of this place in the model; its next version is read.
TensorId append_to_cache(BuilderState& b, TensorId kv, std::int64_t kv_heads, const std::string& name) {
  const BuildOptions& o = b.options;
  const std::int64_t sequences = o.cache.sequences ? o.cache.sequences : o.batch;
  const std::int64_t blocks = sequences * o.cache.blocks_a_sequence;
  const std::int64_t width = b.program[kv].type.shape.last();
  const TensorType type =
      o.cache.coded
          ? TensorType{{blocks, o.cache.block, kv_heads * kernel::coded_head_bytes(width / kv_heads)},
                       DType::u8}
          : TensorType{{blocks, o.cache.block, width}, DType::f32};
  const TensorId cache = b.program.add({.name = name,
                                        .type = type,
                                        .role = Role::state,
                                        .lifetime = Lifetime::run,
                                        .purpose = Purpose::cache});
  const auto [table, lengths] = cache_inputs(b);
  if (o.cache.coded)
    return emit(b.program, op::cache_append_codes, {kv, cache, table, lengths},
                op::CacheCodesAttributes{kv_heads}, name)[0];
  return emit(b.program, op::cache_append, {kv, cache, table, lengths}, {}, name)[0];
}

Tensor decode_attention(BuilderState& b, TensorId q, TensorId k, TensorId v,
                        const op::AttentionAttributes& a) {
  const std::string name = b.new_name("attention");  // of several in one scope, each has a cache of its own
  if (!a.sees.looks_back())
    fail(b, "attention", "a cache needs attention that looks back only", "causal, or CacheUse::none",
         "all keys");
  const TensorId cache_k = append_to_cache(b, k, a.kv_heads, name + ".cache_k");
  const TensorId cache_v = append_to_cache(b, v, a.kv_heads, name + ".cache_v");
  const auto [table, lengths] = cache_inputs(b);
  return add_node(b, op::cached_attention, {q, cache_k, cache_v, table, lengths}, a, name);
}

// The state that holds keys (or values) of all sources, [sources,rows,kv*D].
TensorId source_state(BuilderState& b, std::int64_t rows, std::int64_t width, const std::string& name) {
  const CacheShape& cache = b.options.cache;
  return b.program.add(
      {.name = name,
       .type = {{cache.sources, cache.source_rows ? cache.source_rows : rows, width}, DType::f32},
       .role = Role::state,
       .lifetime = Lifetime::run,
       .purpose = Purpose::source});
}

// Reading a source: its keys (or values) are kept for the steps that follow.
void keep_source(BuilderState& b, TensorId kv, const std::string& name) {
  const Shape& shape = b.program[kv].type.shape;
  const TensorId state = source_state(b, shape[1], shape.last(), name);
  emit(b.program, op::keep, {kv, state, op::step_input(b.program)}, op::KeepAttributes{}, name);
}

// Decoding: the batch may be several sequences for each source, whose queries are then queries of one sample.
Tensor attend_to_source(BuilderState& b, TensorId q, TensorId k, TensorId lengths,
                        const op::AttentionAttributes& a, const std::string& name) {
  if (!lengths) fail(b, "attention", "a source is cached by its length", "AttentionOptions::lengths", "none");
  const std::int64_t sources = b.options.cache.sources;
  const TensorDef of = b.program[q];
  const Shape& shape = of.type.shape;
  const Shape by_source{sources, shape[0] / sources * shape[1], shape.last()};
  const auto view = [&](TensorId of_view, const Shape& as) {
    return add_view(b.program, of_view, as, contiguous_strides(as), 0,
                    b.program[of_view].name + ":by_source");
  };
  const bool several = sources != shape[0];
  const TensorId rows = several ? view(q, by_source) : q;
  const TensorId lengths_of_sources = several ? view(lengths, {sources}) : lengths;
  const std::int64_t width = b.program[k].type.shape.last(), source_rows = b.program[k].type.shape[1];
  const TensorId keys = source_state(b, source_rows, width, name + ".source_k"),
                 values = source_state(b, source_rows, width, name + ".source_v");
  const Tensor o = add_node(b, op::source_attention,
                            {rows, keys, values, lengths_of_sources, op::step_input(b.program)}, a, name);
  return several ? Tensor(&b, view({o.id()}, shape).value) : o;
}

void require_heads(const BuilderState& b, const std::string& use, std::int64_t width, std::int64_t heads) {
  if (heads <= 0 || width % heads != 0)
    fail(b, use, "heads must divide the width", "a divisor of " + std::to_string(width),
         std::to_string(heads) + " heads");
}

kernel::Sees sight(const BuilderState& b, const AttentionOptions& o) {
  using kernel::Sees;
  if (o.window < 0 || o.prefix < 0 || (o.window > 0 && o.prefix > 0) ||
      (!o.causal && o.window + o.prefix > 0))
    fail(b, "attention", "impossible window or prefix", "one of them, above 0, and causal",
         std::to_string(o.window) + " and " + std::to_string(o.prefix));
  if (o.window > 0) return Sees::window(o.window);
  if (o.prefix > 0) return Sees::prefix(o.prefix);
  return o.causal ? Sees::causal() : Sees::all();
}

// theta^(-2 d / width) for d below width/2: one table for all places of the model that have the same.
TensorId frequencies(BuilderState& b, std::int64_t width, float theta) {
  std::vector<float> values;
  for (std::int64_t d = 0; d < width; d += 2)
    values.push_back(static_cast<float>(
        std::pow(static_cast<double>(theta), -static_cast<double>(d) / static_cast<double>(width))));
  const std::string name = "rotary." + to_text(theta) + "." + std::to_string(width);
  return b.constant(input::named(name), {width / 2}, values);
}

// The same as they are given; one table for all places that are given the same.
TensorId frequencies(BuilderState& b, std::span<const float> given, std::int64_t width) {
  const auto good = [](float f) { return std::isfinite(f) && f >= 0; };
  if (std::ssize(given) != width / 2 || !std::ranges::all_of(given, good))
    fail(b, "rotate", "impossible frequencies", std::to_string(width / 2) + " finite numbers, 0 or more",
         std::to_string(given.size()) + " numbers");
  const std::string_view bytes(reinterpret_cast<const char*>(given.data()), given.size_bytes());
  const std::string name = "rotary." + std::to_string(stream_key(bytes, 0));
  return b.constant(input::named(name), {width / 2}, given);
}

void require_theta(const BuilderState& b, const char* use, float theta) {
  if (!(theta > 0) || !std::isfinite(theta)) fail(b, use, "impossible theta", "above 0", to_text(theta));
}

TensorId lengths_of(BuilderState& b, const AttentionOptions& o) {
  const bool given = o.lengths.id() >= 0;
  return given ? ids_of(b, o.lengths, "attention") : TensorId{};
}

// Probabilities are not dropped: which pair is which would depend on what else is in the row.
Tensor packed_attention(BuilderState& b, const std::vector<TensorId>& in, TensorId lengths,
                        op::AttentionAttributes a, const std::string& name) {
  if (lengths || !a.sees.looks_back())
    fail(b, "attention", "rows of several examples want attention that looks back only",
         "causal, without lengths", "another one");
  a.dropout = 0;
  const TensorId positions{Builder(&b).positions().id()};
  return add_node(b, op::packed_attention, {in[0], in[1], in[2], positions, op::step_input(b.program)}, a,
                  name);
}

}  // namespace

Tensor rotate(Tensor x, RotaryOptions options) {
  BuilderState& b = state_of(x, "rotate");
  const TensorId in = value_of(b, x, "rotate");
  const std::int64_t all = b.program[in].type.shape.last();
  require_heads(b, "rotate", all, options.heads);
  const std::int64_t size = all / options.heads, width = options.width ? options.width : size;
  if (width <= 0 || width % 2 != 0 || width > size)
    fail(b, "rotate", "elements are rotated in pairs", "an even width up to " + std::to_string(size),
         std::to_string(width));
  require_theta(b, "rotate", options.theta);
  if (!(options.factor > 0) || !std::isfinite(options.factor))
    fail(b, "rotate", "impossible factor", "above 0", to_text(options.factor));
  const Tensor given = options.positions;
  const TensorId positions = ids_of(b, given.id() >= 0 ? given : Builder(&b).positions(), "rotate");
  const TensorId table = options.frequencies.empty() ? frequencies(b, width, options.theta)
                                                     : frequencies(b, options.frequencies, width);
  return add_node(b, op::rotate, {in, positions, table},
                  op::RotateAttributes{.heads = options.heads, .factor = options.factor},
                  b.new_name("rotate"));
}

Tensor sinusoids(Tensor positions, std::int64_t width, float theta) {
  BuilderState& b = state_of(positions, "sinusoids");
  const TensorId in = ids_of(b, positions, "sinusoids");
  if (width <= 0 || width % 2 != 0)
    fail(b, "sinusoids", "sines and cosines come in pairs", "an even width", std::to_string(width));
  require_theta(b, "sinusoids", theta);
  return add_node(b, op::sinusoids, {in, frequencies(b, width, theta)}, {}, b.new_name("sinusoids"));
}

namespace {

// What attention reads, where the network made it.
void name_operands(BuilderState& b, const std::string& name, const std::vector<TensorId>& in) {
  constexpr const char* ends[] = {".q", ".k", ".v"};
  for (std::size_t i = 0; i < in.size(); ++i)
    if (b.program[b.program.root(in[i])].role == Role::activation)
      b.activations.try_emplace(name + ends[i], in[i]);
}

}  // namespace

Tensor attention(Tensor q, Tensor k, Tensor v, AttentionOptions options) {
  BuilderState& b = state_of(q, "attention");
  const std::vector<TensorId> in{value_of(b, q, "attention"), value_of(b, k, "attention"),
                                 value_of(b, v, "attention")};
  const std::int64_t width = b.program[in[0]].type.shape.last();
  op::AttentionAttributes a{.heads = options.heads,
                            .kv_heads = options.kv_heads ? options.kv_heads : options.heads,
                            .scale = options.scale,
                            .sees = sight(b, options),
                            .dropout = b.options.training ? options.dropout : 0,
                            .stream = stream_key(b.new_name("attention"), 0)};
  require_heads(b, "attention", width, a.heads);
  if (!(options.dropout >= 0 && options.dropout < 1))
    fail(b, "attention", "impossible dropout", "0 <= dropout < 1", to_text(options.dropout));
  if (!(options.scale >= 0) || !std::isfinite(options.scale))
    fail(b, "attention", "impossible scale", "above 0, or 0 for 1/sqrt(head size)", to_text(options.scale));
  if (a.scale == 0) a.scale = 1 / std::sqrt(static_cast<float>(width / a.heads));
  const BuildOptions& o = b.options;
  const std::string name = b.new_name("attention");
  name_operands(b, name, in);
  const TensorId lengths = lengths_of(b, options);
  if (o.cached && !o.encodes && options.cache == CacheUse::self)
    return decode_attention(b, in[0], in[1], in[2], a);
  if (o.cached && options.cache == CacheUse::cross) {
    if (!o.encodes) return attend_to_source(b, in[0], in[1], lengths, a, name);
    keep_source(b, in[1], name + ".source_k");
    keep_source(b, in[2], name + ".source_v");
  }
  if (b.packed()) return packed_attention(b, in, lengths, a, name);
  return add_node(b, op::attention, {in[0], in[1], in[2], lengths, op::step_input(b.program)}, a, name);
}

}  // namespace hone
