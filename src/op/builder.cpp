#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/number.hpp"
#include "base/utf8.hpp"
#include "hone/nearest.hpp"
#include "op/builder_nodes.hpp"
#include "op/inputs.hpp"

namespace hone {

using namespace builder;

const ParameterSpec* find_spec(const std::vector<ParameterSpec>& specs, std::string_view name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [name](const ParameterSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

TensorId BuilderState::input(const std::string& name, const TensorType& type, const InputInfo& info) {
  TensorId& id = by_name["input " + name];
  if (!id) id = program.add({.name = name, .type = type, .role = Role::input, .input = info});
  if (program[id].type != type || program[id].input != info)
    fail(*this, name.substr(1), "an input is declared in two ways", to_string(program[id].type),
         to_string(type));
  return id;
}

namespace {

constexpr std::int64_t most_constant_values = std::int64_t{1} << 16;

}  // namespace

TensorId BuilderState::constant(const std::string& name, const Shape& shape, std::span<const float> values) {
  if (shape.elements() != static_cast<std::int64_t>(values.size()) || shape.elements() > most_constant_values)
    fail(*this, name.substr(1), "a constant's values do not fit its shape",
         to_string(shape) + ", at most " + std::to_string(most_constant_values),
         std::to_string(values.size()) + " values");
  TensorId& id = by_name["constant " + name];
  const auto bytes = std::as_bytes(values);
  if (!id)
    id = program.add({.name = name,
                      .type = {shape, DType::f32},
                      .role = Role::constant,
                      .values = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end())});
  const TensorDef& t = program[id];
  if (t.type.shape != shape || !std::equal(bytes.begin(), bytes.end(), t.values->begin()))
    fail(*this, name.substr(1), "two constants of one name", to_string(t.type.shape), to_string(shape));
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

constexpr std::int64_t most_elements = std::int64_t{1} << 40;  // of a weight: its bytes fit any sum of them

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
  static constexpr const char* kinds[] = {"zeros", "ones", "normal", "uniform"};
  return std::string(kinds[static_cast<int>(o.init.kind)]) +
         (o.init.deviation > 0 ? " " + to_text(o.init.deviation) : "") +
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
    id = add_parameter(b.program, {.name = full,
                                   .shape = wanted,
                                   .init = options.init,
                                   .decay = options.decay,
                                   .transposed = options.transposed,
                                   .trained = options.trained,
                                   .of_objective = b.in_objective});
  } else if (b.program[id].type.shape != wanted) {
    fail(b, std::string(name), "a parameter is used with two shapes", to_string(b.program[id].type.shape),
         to_string(wanted));
  } else {
    require_same(b, *b.program[id].parameter, name, options);
  }
  return {state_, id.value};
}

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
  if (name.empty() || shape.rank() == 0)
    fail(b, std::string(name), "an input needs a name and a size", "both", "''");
  if (options.kind != InputKind::values && options.below <= 0)
    fail(b, std::string(name), "an input of whole numbers needs to know what they stay below",
         "InputOptions::below above 0", std::to_string(options.below));
  const DType dtype = options.kind == InputKind::values ? DType::f32 : DType::i32;
  const InputInfo info{.meaning = meanings[static_cast<std::size_t>(options.kind)],
                       .below = options.below,
                       .once_a_step = options.once_a_step};
  return {state_, b.input(input::named(name), {shape, dtype}, info).value};
}

Tensor Builder::tokens() {
  const InputInfo info{.meaning = Meaning::ids, .below = vocab_size()};
  return {state_, state_->input(input::tokens, {{batch(), seq()}, DType::i32}, info).value};
}

Tensor Builder::positions() {
  BuilderState& b = *state_;
  // Of rows that hold several examples they come with the batch.
  const bool packed = b.packed();
  const InputInfo info{.meaning = packed ? Meaning::ids : Meaning::positions, .below = b.options.context};
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
  const Shape wanted = positive_shape(*state_, name, shape);
  return {state_, state_->constant(input::named(state_->prefix + std::string(name)), wanted, values).value};
}

std::int64_t Builder::batch() const { return state_->options.batch; }
std::int64_t Builder::seq() const { return state_->options.seq; }
std::int64_t Builder::longest() const {
  const BuildOptions& o = state_->options;
  if (o.longest) return o.longest;
  return o.cached ? o.cache.block * o.cache.blocks_a_sequence : o.seq;
}
std::int64_t Builder::vocab_size() const { return state_->options.vocab_size; }
bool Builder::training() const { return state_->options.training; }

Tensor Builder::activation(std::string_view name) const {
  const auto found = state_->activations.find(std::string(name));
  if (found != state_->activations.end()) return {state_, found->second.value};
  std::vector<std::string> known;
  for (const auto& activation : state_->activations) known.push_back(activation.first);
  throw Error(ErrorKind::input,
              {.what = "nothing was made by the name '" + std::string(name) + "'",
               .where = state_->prefix,
               .hint = known.empty() ? "" : "the nearest is '" + nearest(std::string(name), known) + "'"});
}
std::int64_t Builder::size(std::string_view name, std::int64_t missing) const {
  state_->asked_sizes.emplace(name);
  const auto found = state_->options.sizes.find(name);
  return found == state_->options.sizes.end() ? missing : found->second;
}
std::int64_t Builder::size(std::string_view name) const {
  state_->asked_sizes.emplace(name);
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

}  // namespace hone
