#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <utility>
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

// What functions over tensors work on: values that are computed or given. Neither ids nor weights, which have
// places of their own. What ranks an op takes is the op's to say.
TensorId value_of(BuilderState& b, Tensor x, std::string_view use) {
  const TensorId id = id_of(b, x, use);
  const TensorDef& t = b.program[id];
  const bool value = t.role == Role::activation || t.role == Role::constant || t.role == Role::input;
  if (!value || t.type.dtype != DType::f32)
    fail(b, std::string(use), "a tensor of another kind", "f32 values, computed or given", text_of(t));
  return id;
}

TensorId ids_of(BuilderState& b, Tensor x, std::string_view use) {
  const TensorId id = id_of(b, x, use);
  if (b.program[id].type.dtype != DType::i32)
    fail(b, std::string(use), "a tensor of another kind", "whole numbers, an input", text_of(b.program[id]));
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
  b.program.nodes.back().scope = b.prefix.substr(0, b.prefix.size() - (b.prefix.empty() ? 0 : 1));
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

Network language_model(Architecture architecture) {
  if (!architecture) return {};
  return [write = std::move(architecture)](Builder& b) -> Outputs {
    const Tensor tokens = b.tokens(), logits = write(b, tokens);
    if (!logits.builder()) return {{"logits", logits}};  // refused by whoever called
    const auto shape = logits.shape();
    if (shape.size() == 3 && shape[0] == b.batch() && shape[1] == b.seq()) return {{"logits", logits}};
    const BuilderState& state = *tokens.builder();
    throw Error(ErrorKind::input,
                {.what = "the architecture's result is not logits",
                 .where = state.program[TensorId{logits.id()}].name,
                 .expected = "[" + std::to_string(b.batch()) + "," + std::to_string(b.seq()) + ",V]",
                 .found = to_string(type_of(logits).shape)});
  };
}

Objective next_token() {
  return [](Builder& b, const Outputs& outputs) -> std::vector<LossTerm> {
    const auto logits = outputs.find("logits");
    if (logits == outputs.end())
      throw Error(ErrorKind::usage, {.what = "the network has no logits, so it predicts no next token",
                                     .expected = "an output 'logits', or an objective of its own",
                                     .found = outputs.empty() ? "no output" : "'" + outputs.begin()->first + "'"});
    const Tensor labels =
        b.input("labels", {b.seq()}, {.kind = InputKind::labels, .below = b.vocab_size()});
    return {{"loss", cross_entropy(logits->second, labels)}};
  };
}

const ParameterSpec* find_spec(const std::vector<ParameterSpec>& specs, std::string_view name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [name](const ParameterSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

TensorId BuilderState::input(const std::string& name, TensorType type, InputInfo info) {
  TensorId& id = by_name["input " + name];
  if (!id) id = program.add({.name = name, .type = type, .role = Role::input, .input = info});
  if (program[id].type != type || program[id].input != info)
    fail(*this, name.substr(1), "an input is declared in two ways", to_string(program[id].type),
         to_string(type));
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
         (o.decay ? ", decays" : ", does not decay") + (o.transposed ? ", transposed" : "") +
         (o.trained ? "" : ", frozen");
}

// The second use of a name.
void require_same(const BuilderState& b, const ParameterSpec& spec, std::string_view name,
                  const ParameterOptions& options) {
  const std::string first = text_of({spec.init, spec.decay, spec.transposed, spec.trained});
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
    id = add_parameter(b.program, {full, wanted, options.init, options.decay, options.transposed, options.trained});
  } else if (b.program[id].type.shape != wanted) {
    fail(b, std::string(name), "a parameter is used with two shapes", to_string(b.program[id].type.shape),
         to_string(wanted));
  } else {
    require_same(b, *b.program[id].parameter, name, options);
  }
  return {state_, id.value};
}

namespace {

constexpr std::int64_t most_constant_values = std::int64_t{1} << 16;

Shape positive_shape(const BuilderState& b, std::string_view name, std::initializer_list<std::int64_t> sizes) {
  const Shape shape(sizes);
  for (const std::int64_t size : sizes)
    if (size <= 0) fail(b, std::string(name), "sizes must be positive", "at least 1", to_string(shape));
  return shape;
}

}  // namespace

Tensor Builder::input(std::string_view name, std::initializer_list<std::int64_t> sample,
                      InputOptions options) {
  static constexpr Meaning meanings[] = {Meaning::ids, Meaning::labels, Meaning::lengths, Meaning::values};
  BuilderState& b = *state_;
  if (sample.size() >= static_cast<std::size_t>(Shape::max_rank))
    fail(b, std::string(name), "an input has too many axes", std::to_string(Shape::max_rank - 1),
         std::to_string(sample.size()));
  Shape shape;
  if (!options.once_a_step) shape.push_back(b.options.batch);
  for (const std::int64_t size : positive_shape(b, name, sample).sizes()) shape.push_back(size);
  if (name.empty() || shape.rank() == 0) fail(b, std::string(name), "an input needs a name and a size", "both", "''");
  const DType dtype = options.kind == InputKind::values ? DType::f32 : DType::i32;
  const InputInfo info{.meaning = meanings[static_cast<std::size_t>(options.kind)],
                       .below = options.below,
                       .once_a_step = options.once_a_step};
  return {state_, b.input(input::named(name), {shape, dtype}, info).value};
}

Tensor Builder::tokens() {
  return input("tokens", {seq()}, {.kind = InputKind::ids, .below = vocab_size()});
}

Tensor Builder::positions() {
  BuilderState& b = *state_;
  const InputInfo info{.meaning = Meaning::positions, .below = b.options.context};
  return {state_, b.input(input::positions, {{b.options.batch, b.options.seq}, DType::i32}, info).value};
}

Tensor Builder::positions(std::int64_t length) {
  BuilderState& b = *state_;
  if (length <= 0) fail(b, "positions", "sizes must be positive", "at least 1", std::to_string(length));
  const std::string name = input::positions + ("." + std::to_string(length));
  const InputInfo info{.meaning = Meaning::own_positions, .below = length};
  return {state_, b.input(name, {{b.options.batch, length}, DType::i32}, info).value};
}

Tensor Builder::constant(std::string_view name, std::initializer_list<std::int64_t> shape,
                         std::span<const float> values) {
  BuilderState& b = *state_;
  const std::string full = input::named(b.prefix + std::string(name));
  const Shape wanted = positive_shape(b, name, shape);
  if (wanted.elements() != static_cast<std::int64_t>(values.size()) || wanted.elements() > most_constant_values)
    fail(b, std::string(name), "a constant's values do not fit its shape",
         to_string(wanted) + ", at most " + std::to_string(most_constant_values),
         std::to_string(values.size()) + " values");
  TensorId& id = b.by_name["constant " + full];
  const auto bytes = std::as_bytes(values);
  if (!id)
    id = b.program.add({.name = full,
                        .type = {wanted, DType::f32},
                        .role = Role::constant,
                        .values = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end())});
  const TensorDef& t = b.program[id];
  if (t.type.shape != wanted || !std::equal(bytes.begin(), bytes.end(), t.values->begin()))
    fail(b, std::string(name), "two constants of one name", to_string(t.type.shape), to_string(wanted));
  return {state_, id.value};
}

std::int64_t Builder::batch() const { return state_->options.batch; }
std::int64_t Builder::seq() const { return state_->options.seq; }
std::int64_t Builder::vocab_size() const { return state_->options.vocab_size; }
std::int64_t Builder::size(std::string_view name) const {
  const auto found = state_->options.sizes.find(name);
  if (found == state_->options.sizes.end())
    throw Error(ErrorKind::usage, {.what = "the network needs a size that the plan does not give",
                                   .where = "sizes",
                                   .expected = "a size '" + std::string(name) + "'"});
  return found->second;
}

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
  const TensorId in = ids_of(b, ids, "embedding"), rows = weight_of(b, table, "embedding");
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
  return add_node(b, op::linear, inputs, op::LinearAttributes{}, b.new_name(n));
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
                  op::NormAttributes{.epsilon = epsilon}, b.new_name(n));
}

Tensor gelu(Tensor x) { return unary(x, op::Activation::gelu, "gelu"); }
Tensor gelu_new(Tensor x) { return unary(x, op::Activation::gelu_new, "gelu_new"); }
Tensor relu(Tensor x) { return unary(x, op::Activation::relu, "relu"); }
Tensor silu(Tensor x) { return unary(x, op::Activation::silu, "silu"); }

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
TensorId append_to_cache(BuilderState& b, TensorId kv, const std::string& name) {
  const BuildOptions& o = b.options;
  const std::int64_t blocks = o.batch * o.cache.blocks_a_sequence;
  const Shape shape{blocks, o.cache.block, b.program[kv].type.shape.last()};
  const TensorId cache = b.program.add({.name = name,
                                        .type = {shape, DType::f32},
                                        .role = Role::state,
                                        .lifetime = Lifetime::run,
                                        .purpose = Purpose::cache});
  const auto [table, lengths] = cache_inputs(b);
  return emit(b.program, op::cache_append, {kv, cache, table, lengths}, {}, name)[0];
}

Tensor decode_attention(BuilderState& b, TensorId q, TensorId k, TensorId v,
                        const op::AttentionAttributes& a) {
  const std::string name = b.new_name("attention");  // of several in one scope, each has a cache of its own
  if (!a.sees.looks_back())
    fail(b, "attention", "a cache needs attention that looks back only", "causal, or CacheUse::none",
         "all keys");
  const TensorId cache_k = append_to_cache(b, k, name + ".cache_k");
  const TensorId cache_v = append_to_cache(b, v, name + ".cache_v");
  const auto [table, lengths] = cache_inputs(b);
  return add_node(b, op::cached_attention, {q, cache_k, cache_v, table, lengths}, a, name);
}

kernel::Sees sight(const BuilderState& b, const AttentionOptions& o) {
  using kernel::Sees;
  if (o.window < 0 || o.prefix < 0 || (o.window > 0 && o.prefix > 0) || (!o.causal && o.window + o.prefix > 0))
    fail(b, "attention", "impossible window or prefix", "one of them, above 0, and causal",
         std::to_string(o.window) + " and " + std::to_string(o.prefix));
  if (o.window > 0) return Sees::window(o.window);
  if (o.prefix > 0) return Sees::prefix(o.prefix);
  return o.causal ? Sees::causal() : Sees::all();
}

TensorId lengths_of(BuilderState& b, const AttentionOptions& o) {
  const bool given = o.lengths.id() >= 0;
  return given ? ids_of(b, o.lengths, "attention") : TensorId{};
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
  if (a.heads <= 0 || width % a.heads != 0)
    fail(b, "attention", "heads must divide the width", "a divisor of " + std::to_string(width),
         std::to_string(a.heads) + " heads");
  if (!(options.dropout >= 0 && options.dropout < 1))
    fail(b, "attention", "impossible dropout", "0 <= dropout < 1", to_text(options.dropout));
  if (!(options.scale >= 0) || !std::isfinite(options.scale))
    fail(b, "attention", "impossible scale", "above 0, or 0 for 1/sqrt(head size)", to_text(options.scale));
  if (a.scale == 0) a.scale = 1 / std::sqrt(static_cast<float>(width / a.heads));
  if (b.options.cached && options.cache == CacheUse::self) return decode_attention(b, in[0], in[1], in[2], a);
  return add_node(b, op::attention, {in[0], in[1], in[2], lengths_of(b, options), op::step_input(b.program)}, a,
                  b.new_name("attention"));
}

Tensor dropout(Tensor x, float p, std::string_view name) {
  BuilderState& b = state_of(x, name);
  const TensorId in = value_of(b, x, name);
  if (!(p >= 0 && p < 1)) fail(b, std::string(name), "impossible dropout", "0 <= p < 1", to_text(p));
  if (!b.options.training || p == 0) return x;
  const std::string full = b.new_name(name);
  return add_node(b, op::dropout, {in, op::step_input(b.program)},
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

Tensor reshape(Tensor x, std::initializer_list<std::int64_t> sizes) {
  BuilderState& b = state_of(x, "reshape");
  const TensorId id = value_of(b, x, "reshape");
  const Shape shape = positive_shape(b, "reshape", sizes), was = b.program[id].type.shape;
  if (shape.elements() != was.elements())
    fail(b, "reshape", "another number of elements", to_string(was), to_string(shape));
  if (!b.program.contiguous(id))
    fail(b, "reshape", "parts of a split or permuted tensor keep their shape", "a whole tensor",
         text_of(b.program[id]));
  const std::string name = b.program[id].name + ":" + to_string(shape);
  return {&b, add_view(b.program, id, shape, contiguous_strides(shape), 0, name).value};
}

Tensor permute(Tensor x, std::initializer_list<int> axes) {
  BuilderState& b = state_of(x, "permute");
  const TensorDef of = b.program[value_of(b, x, "permute")];
  Shape shape, strides;
  std::vector<bool> seen(static_cast<std::size_t>(of.type.shape.rank()), false);
  for (const int axis : axes) {
    const bool good = axis >= 0 && axis < of.type.shape.rank() && !seen[static_cast<std::size_t>(axis)];
    if (!good) break;
    seen[static_cast<std::size_t>(axis)] = true;
    shape.push_back(of.type.shape[axis]);
    strides.push_back(of.strides[axis]);
  }
  if (shape.rank() != of.type.shape.rank() || axes.size() != seen.size())
    fail(b, "permute", "not an order of the axes", "each of 0 to " + std::to_string(of.type.shape.rank() - 1),
         std::to_string(axes.size()) + " axes");
  return {&b, add_view(b.program, {x.id()}, shape, strides, 0, of.name + ":permuted").value};
}

Tensor cross_entropy(Tensor logits, Tensor labels) {
  BuilderState& b = state_of(logits, "cross_entropy");
  const TensorId in = value_of(b, logits, "cross_entropy"), of = ids_of(b, labels, "cross_entropy");
  if (b.program[of].input.meaning != Meaning::labels)
    fail(b, "cross_entropy", "the labels are none", "an input of kind labels", text_of(b.program[of]));
  const std::string number = ++b.losses == 1 ? "" : "." + std::to_string(b.losses);
  const TensorId scale =
      b.input(input::loss_scale + number, op::f32({1}),
              {.meaning = Meaning::loss_scale, .once_a_step = true, .counts = b.program[of].name});
  return add_node(b, op::cross_entropy, {in, of, scale}, {}, b.new_name("loss"));
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

namespace {

Outputs call(const Network& network, BuilderState& state) {
  Builder builder(&state);
  Outputs outputs = network(builder);
  for (const auto& [name, tensor] : outputs)
    if (tensor.builder() != &state)
      throw Error(ErrorKind::input, {.what = "the architecture returned no tensor of its builder",
                                     .where = name,
                                     .hint = "return what it made in this call"});
  if (outputs.empty())
    throw Error(ErrorKind::input, {.what = "the architecture returned no output"});
  return outputs;
}

Forward finish(BuilderState& state, const Outputs& outputs) {
  for (const auto& [name, tensor] : outputs) state.activations.try_emplace(name, TensorId{tensor.id()});
  verify(state.program);
  return {std::move(state.program), std::move(state.activations)};
}

// The scale of a loss that a term is, with the term's weight.
void weigh(BuilderState& state, const LossTerm& term) {
  for (const Node& node : state.program.nodes) {
    if (!node.op->loss || node.outputs[0] != TensorId{term.losses.id()}) continue;
    state.program[node.inputs[*node.op->find_input("scale")]].input.weight = term.weight;
    return;
  }
  throw Error(ErrorKind::input, {.what = "a term of the objective is no loss",
                                 .where = term.name,
                                 .expected = "what cross_entropy returned",
                                 .found = text_of(state.program[TensorId{term.losses.id()}])});
}

}  // namespace

Forward write_forward(const Network& network, const BuildOptions& options) {
  const FloatModeGuard guard;  // scales and deviations are computed while the architecture is written down
  BuilderState state;
  state.options = options;
  const Outputs outputs = call(network, state);
  for (const auto& [name, tensor] : outputs) state.program.outputs.emplace_back(TensorId{tensor.id()}, name);
  return finish(state, outputs);
}

Forward write_forward(const Network& network, const Objective& objective, const BuildOptions& options,
                      const std::vector<std::string>& keep_outputs) {
  const FloatModeGuard guard;
  BuilderState state;
  state.options = options;
  const Outputs outputs = call(network, state);
  Builder builder(&state);
  const std::vector<LossTerm> terms = objective(builder, outputs);
  if (terms.empty()) throw Error(ErrorKind::input, {.what = "the objective has no term"});
  for (const LossTerm& term : terms) {
    if (term.losses.builder() != &state) refuse_foreign(term.name);
    if (state.program.output(term.name) || term.name.empty())
      throw Error(ErrorKind::input, {.what = "a term of the objective needs a name of its own", .where = term.name});
    weigh(state, term);
    state.program.outputs.emplace_back(TensorId{term.losses.id()}, term.name);
  }
  for (const std::string& name : keep_outputs)
    state.program.outputs.emplace_back(TensorId{outputs.at(name).id()}, name);
  return finish(state, outputs);
}

}  // namespace hone
