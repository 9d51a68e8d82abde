#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/float_mode.hpp"
#include "base/number.hpp"
#include "base/random.hpp"
#include "base/utf8.hpp"
#include "op/builder_state.hpp"
#include "op/common.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"

namespace hone {
namespace {

constexpr std::int64_t most_elements = std::int64_t{1} << 40;  // of a weight: its bytes fit any sum of them

[[noreturn]] void fail(const BuilderState& b, const std::string& name, const std::string& what,
                       const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::input,
              {.what = what, .where = b.prefix + name, .expected = expected, .found = found});
}

// The calls of architectures that are under way on this thread, the innermost last.
thread_local std::vector<BuilderState*> under_way;

[[noreturn]] void refuse_foreign(std::string_view use) {
  throw Error(ErrorKind::input,
              {.what = "a tensor that this call of the architecture was not given and did not make",
               .where = (under_way.empty() ? "" : under_way.back()->prefix) + std::string(use),
               .hint = "tensors come from the builder and from functions over them, anew in each call"});
}

BuilderState& state_of(Tensor x, std::string_view use) {
  BuilderState* b = x.builder();
  if (!b) refuse_foreign(use);
  return *b;
}

TensorId id_of(BuilderState& b, Tensor x, std::string_view use) {
  if (x.builder() != &b) refuse_foreign(use);
  return {x.id()};
}

std::string text_of(const TensorDef& t) { return to_string(t.type) + " '" + t.name + "'"; }

// What functions over tensors work on: values, [B,T,C]. Neither ids nor weights, which have places of their
// own.
TensorId value_of(BuilderState& b, Tensor x, std::string_view use) {
  const TensorId id = id_of(b, x, use);
  const TensorDef& t = b.program[id];
  if (t.role != Role::activation || t.type.dtype != DType::f32 || t.type.shape.rank() != 3)
    fail(b, std::string(use), "a tensor of another kind", "f32[B,T,C], computed", text_of(t));
  return id;
}

TensorId weight_of(BuilderState& b, Tensor x, std::string_view use) {
  const TensorId id = id_of(b, x, use);
  if (b.program[id].role != Role::parameter)
    fail(b, std::string(use), "the weight is no weight", "a tensor of Builder::parameter",
         text_of(b.program[id]));
  return id;
}

const TensorType& type_of(Tensor x) { return state_of(x, "shape").program[TensorId{x.id()}].type; }

// A new node, whose result is known by the node's name, or by another.
Tensor add_node(BuilderState& b, const OpRecord& op, const std::vector<TensorId>& inputs,
                const Attributes& attributes, const std::string& name, const std::string& known_as) {
  const TensorId made = emit(b.program, op, inputs, attributes, name)[0];
  b.activations[known_as] = made;
  return {&b, made.value};
}
Tensor add_node(BuilderState& b, const OpRecord& op, const std::vector<TensorId>& inputs,
                const Attributes& attributes, const std::string& name) {
  return add_node(b, op, inputs, attributes, name, name);
}

Tensor unary(Tensor x, op::Activation kind, const char* name) {
  BuilderState& b = state_of(x, name);
  return add_node(b, op::activation, {value_of(b, x, name)}, op::ActivationAttributes{kind},
                  b.new_name(name));
}

}  // namespace

BuilderState::BuilderState() {
  static std::atomic<std::uint64_t> calls{0};
  serial = ++calls;
  under_way.push_back(this);
}
BuilderState::~BuilderState() { under_way.pop_back(); }

Tensor::Tensor(BuilderState* builder, std::int32_t id) : call_(builder->serial), id_(id) {}

BuilderState* Tensor::builder() const {
  for (BuilderState* b : under_way)
    if (b->serial == call_) return b;
  return nullptr;
}

const ParameterSpec* find_spec(const std::vector<ParameterSpec>& specs, std::string_view name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [name](const ParameterSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

TensorId BuilderState::input(const std::string& name, TensorType type) {
  TensorId& id = by_name["input " + name];
  if (!id) id = program.add({.name = name, .type = type, .role = Role::input});
  return id;
}

std::string BuilderState::new_name(std::string_view what) const {
  const std::string first = prefix + std::string(what);
  std::string name = first;
  for (int n = 2; activations.contains(name); ++n) name = first + "." + std::to_string(n);
  return name;
}

std::vector<std::int64_t> Tensor::shape() const { return type_of(*this).shape.sizes(); }

std::int64_t Tensor::width() const { return type_of(*this).shape.last(); }

namespace {

// A weight's name is a key in files, which are JSON, and none of an input's (op/inputs.hpp).
void require_name(const BuilderState& b, std::string_view name) {
  const std::string full = b.prefix + std::string(name);
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  const bool plain = valid_utf8(full) && std::none_of(full.begin(), full.end(), control);
  if (plain && !name.empty() && full != "__metadata__" && full.front() != '$') return;
  throw Error(ErrorKind::input, {.what = "this cannot be a weight's name",
                                 .where = plain ? full : "?",
                                 .expected = "UTF-8 text without control characters or a '$' in front"});
}

Shape parameter_shape(const BuilderState& b, std::string_view name,
                      std::initializer_list<std::int64_t> sizes) {
  const std::string n(name);
  if (sizes.size() == 0 || sizes.size() > static_cast<std::size_t>(Shape::max_rank))
    fail(b, n, "a parameter has too few axes or too many", "1 to " + std::to_string(Shape::max_rank),
         std::to_string(sizes.size()));
  const Shape shape(sizes);
  std::int64_t elements = 1;
  for (const auto size : sizes) {
    if (size <= 0) fail(b, n, "a parameter's sizes must be positive", "at least 1", to_string(shape));
    if (__builtin_mul_overflow(elements, size, &elements) || elements > most_elements)
      fail(b, n, "a parameter is too large", "at most 2^40 values", to_string(shape));
  }
  return shape;
}

std::string text_of(const ParameterOptions& o) {
  static constexpr const char* kinds[] = {"zeros", "ones", "normal"};
  return std::string(kinds[static_cast<int>(o.init.kind)]) +
         (o.init.kind == Init::Kind::normal ? " " + to_text(o.init.deviation) : "") +
         (o.decay ? ", decays" : ", does not decay") + (o.transposed ? ", transposed" : "");
}

// The second use of a name.
void require_same(const BuilderState& b, std::string_view name, const ParameterOptions& options) {
  const ParameterSpec& spec = *find_spec(b.parameters, b.prefix + std::string(name));
  const std::string first = text_of({spec.init, spec.decay, spec.transposed});
  if (first != text_of(options))
    fail(b, std::string(name), "a parameter is used with two sets of options", first, text_of(options));
}

}  // namespace

Tensor Builder::parameter(std::string_view name, std::initializer_list<std::int64_t> shape,
                          ParameterOptions options) {
  BuilderState& b = *state_;
  const std::string full = b.prefix + std::string(name);
  require_name(b, name);
  const Shape wanted = parameter_shape(b, name, shape);
  TensorId& id = b.by_name["parameter " + full];
  if (!id) {
    id = b.program.add({.name = full, .type = {wanted, DType::f32}, .role = Role::parameter});
    b.parameters.push_back({full, wanted, options.init, options.decay, options.transposed});
  } else if (b.program[id].type.shape != wanted) {
    fail(b, std::string(name), "a parameter is used with two shapes", to_string(b.program[id].type.shape),
         to_string(wanted));
  } else {
    require_same(b, name, options);
  }
  return {state_, id.value};
}

Tensor Builder::positions() {
  BuilderState& b = *state_;
  return {state_, b.input(input::positions, {{b.options.batch, b.options.seq}, DType::i32}).value};
}

std::int64_t Builder::batch() const { return state_->options.batch; }
std::int64_t Builder::seq() const { return state_->options.seq; }

Builder::Scope::Scope(BuilderState* state, const std::string& prefix)
    : state_(state), outer_(state->prefix.size()) {
  state_->prefix += prefix;
}
Builder::Scope::~Scope() { state_->prefix.resize(outer_); }
Builder::Scope Builder::scope(std::string_view name) { return {state_, std::string(name) + "."}; }
Builder::Scope Builder::scope(std::string_view name, int index) {
  return {state_, std::string(name) + "." + std::to_string(index) + "."};
}

Tensor embedding(Tensor ids, Tensor table) {
  BuilderState& b = state_of(ids, "embedding");
  const TensorId in = id_of(b, ids, "embedding"), rows = weight_of(b, table, "embedding");
  return add_node(b, op::embedding, {in, rows}, {}, b.program[rows].name, b.new_name("embedding"));
}

Tensor linear(Tensor x, std::string_view name, std::int64_t out, LinearOptions options) {
  BuilderState& b = state_of(x, name);
  Builder builder(&b);
  const std::string n(name);
  const std::int64_t in = b.program[value_of(b, x, n)].type.shape.last();
  const Tensor w = builder.parameter(n + ".weight", {out, in}, {options.init, true, options.transposed});
  std::vector<TensorId> inputs{{x.id()}, {w.id()}};
  if (options.bias)
    inputs.push_back({builder.parameter(n + ".bias", {out}, {.init = zeros(), .decay = false}).id()});
  return add_node(b, op::linear, inputs, op::LinearAttributes{.bias = options.bias}, b.new_name(n));
}

Tensor linear(Tensor x, Tensor weight) {
  BuilderState& b = state_of(x, "linear");
  const TensorId in = value_of(b, x, "linear"), w = weight_of(b, weight, "linear");
  return add_node(b, op::linear, {in, w}, op::LinearAttributes{}, b.program[w].name + ":head",
                  b.new_name("linear"));
}

Tensor layer_norm(Tensor x, std::string_view name, float epsilon) {
  BuilderState& b = state_of(x, name);
  Builder builder(&b);
  const std::string n(name);
  const std::int64_t C = b.program[value_of(b, x, n)].type.shape.last();
  if (!(epsilon >= 0) || !std::isfinite(epsilon))
    fail(b, n, "impossible epsilon", "0 or more", to_text(epsilon));
  const Tensor gamma = builder.parameter(n + ".weight", {C}, {.init = ones(), .decay = false});
  const Tensor beta = builder.parameter(n + ".bias", {C}, {.init = zeros(), .decay = false});
  return add_node(b, op::layer_norm, {{x.id()}, {gamma.id()}, {beta.id()}},
                  op::LayerNormAttributes{.epsilon = epsilon}, b.new_name(n));
}

Tensor gelu(Tensor x) { return unary(x, op::Activation::gelu, "gelu"); }
Tensor gelu_new(Tensor x) { return unary(x, op::Activation::gelu_new, "gelu_new"); }
Tensor relu(Tensor x) { return unary(x, op::Activation::relu, "relu"); }
Tensor silu(Tensor x) { return unary(x, op::Activation::silu, "silu"); }

namespace {

// Decoding: the new keys (or values) go into the cache of this place in the model; its next version is read.
TensorId append_to_cache(BuilderState& b, TensorId kv, const std::string& name) {
  const BuildOptions& o = b.options;
  const std::int64_t blocks = o.batch * o.cache.blocks_a_sequence;
  const Shape shape{blocks, o.cache.block, b.program[kv].type.shape.last()};
  const TensorId cache = b.program.add(
      {.name = name, .type = {shape, DType::f32}, .role = Role::state, .lifetime = Lifetime::run});
  const TensorId table = b.input(input::cache_table, {{o.batch, o.cache.blocks_a_sequence}, DType::i32});
  const TensorId lengths = b.input(input::cache_lengths, {{o.batch}, DType::i32});
  return emit(b.program, op::cache_append, {kv, cache, table, lengths}, {}, name)[0];
}

Tensor decode_attention(BuilderState& b, TensorId q, TensorId k, TensorId v,
                        const op::AttentionAttributes& a) {
  const std::string name = b.new_name("attention");  // of several in one scope, each has a cache of its own
  if (!a.causal)
    fail(b, "attention", "a cache needs attention that looks back only", "causal = true", "false");
  const TensorId cache_k = append_to_cache(b, k, name + ".cache_k");
  const TensorId cache_v = append_to_cache(b, v, name + ".cache_v");
  const BuildOptions& o = b.options;
  const TensorId table = b.input(input::cache_table, {{o.batch, o.cache.blocks_a_sequence}, DType::i32});
  const TensorId lengths = b.input(input::cache_lengths, {{o.batch}, DType::i32});
  return add_node(b, op::cached_attention, {q, cache_k, cache_v, table, lengths}, a, name);
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
                            .causal = options.causal,
                            .dropout = b.options.training ? options.dropout : 0,
                            .stream = stream_key(b.new_name("attention"), 0)};
  if (a.heads <= 0 || width % a.heads != 0)
    fail(b, "attention", "heads must divide the width", "a divisor of " + std::to_string(width),
         std::to_string(a.heads) + " heads");
  if (!(options.dropout >= 0 && options.dropout < 1))
    fail(b, "attention", "impossible dropout", "0 <= dropout < 1", to_text(options.dropout));
  if (!(options.scale >= 0) || !std::isfinite(options.scale))
    fail(b, "attention", "impossible scale", "above 0, or 0 for 1/sqrt(head size)", to_text(options.scale));
  if (a.scale == 0) a.scale = 1 / std::sqrt(static_cast<float>(width / a.heads));
  if (b.options.cached) return decode_attention(b, in[0], in[1], in[2], a);
  const TensorId step = b.input(input::step, op::step_type());
  return add_node(b, op::attention, {in[0], in[1], in[2], step}, a, b.new_name("attention"));
}

Tensor dropout(Tensor x, float p, std::string_view name) {
  BuilderState& b = state_of(x, name);
  const TensorId in = value_of(b, x, name);
  if (!(p >= 0 && p < 1)) fail(b, std::string(name), "impossible dropout", "0 <= p < 1", to_text(p));
  if (!b.options.training || p == 0) return x;
  const std::string full = b.new_name(name);
  return add_node(b, op::dropout, {in, b.input(input::step, op::step_type())},
                  op::DropoutAttributes{.p = p, .stream = stream_key(full, 0)}, full);
}

std::vector<Tensor> split(Tensor x, std::initializer_list<std::int64_t> sizes) {
  BuilderState& b = state_of(x, "split");
  const TensorDef of = b.program[value_of(b, x, "split")];
  std::int64_t offset = 0;
  std::vector<Tensor> parts;
  for (const std::int64_t size : sizes) {
    if (size <= 0 || size > of.type.shape.last() - offset)
      fail(b, "split", "the parts do not add up", std::to_string(of.type.shape.last()) + ", each at least 1",
           "a part of " + std::to_string(size) + " at " + std::to_string(offset));
    const TensorId part = add_view(b.program, {x.id()}, of.type.shape.with_last(size), of.strides, offset,
                                   of.name + "[" + std::to_string(offset) + "+" + std::to_string(size) + "]");
    parts.emplace_back(&b, part.value);
    offset += size;
  }
  if (offset != of.type.shape.last())
    fail(b, "split", "the parts do not add up", std::to_string(of.type.shape.last()), std::to_string(offset));
  return parts;
}

Tensor operator+(Tensor x, Tensor y) {
  BuilderState& b = state_of(x, "sum");
  return add_node(b, op::add, {value_of(b, x, "sum"), value_of(b, y, "sum")}, op::TypeAttributes{},
                  b.new_name("sum"));
}

Tensor named(Tensor x, std::string_view name) {
  BuilderState& b = state_of(x, "named");
  const TensorId id = id_of(b, x, "named");
  const std::string full = b.prefix + std::string(name);
  if (b.program[b.program.root(id)].role != Role::activation)
    fail(b, std::string(name), "only what the model computes is named here", "an activation",
         "'" + b.program[id].name + "'");
  const auto [at, is_new] = b.activations.try_emplace(full, id);
  if (!is_new && at->second != id)
    fail(b, std::string(name), "two tensors of one name", "a name that is not taken", full);
  return x;
}

Forward write_forward(const ArchitectureFunction& architecture, const BuildOptions& options) {
  const FloatModeGuard guard;  // scales and deviations are computed while the architecture is written down
  BuilderState state;
  state.options = options;
  Builder builder(&state);
  const Tensor tokens(&state, state.input(input::tokens, {{options.batch, options.seq}, DType::i32}).value);
  const Tensor logits = architecture(builder, tokens);
  if (logits.builder() != &state)
    throw Error(ErrorKind::input, {.what = "the architecture returned no tensor of its builder",
                                   .hint = "return the logits, [B,T,V]"});
  const TensorId id{logits.id()};
  const Shape& shape = state.program[id].type.shape;
  if (shape.rank() != 3 || shape[0] != options.batch || shape[1] != options.seq)
    throw Error(ErrorKind::input,
                {.what = "the architecture's result is not logits",
                 .where = state.program[id].name,
                 .expected = "[" + std::to_string(options.batch) + "," + std::to_string(options.seq) + ",V]",
                 .found = to_string(shape)});
  state.program.outputs = {id};
  state.activations.try_emplace("logits", id);
  verify(state.program);
  return {std::move(state.program), id, std::move(state.parameters), std::move(state.activations)};
}

}  // namespace hone
