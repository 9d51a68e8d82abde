#include <cmath>
#include <vector>

#include "base/number.hpp"
#include "base/random.hpp"
#include "op/builder_nodes.hpp"
#include "op/common.hpp"
#include "op/inputs.hpp"
#include "op/ops.hpp"

namespace hone {

using namespace builder;

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

Tensor linear(Tensor x, Tensor weight, JointLinearOptions options) {
  BuilderState& b = state_of(x, "linear");
  const TensorId w = weight_of(b, weight, "linear");
  std::vector<TensorId> inputs{value_of(b, x, "linear"), w};
  if (options.bias.id() >= 0) inputs.push_back(weight_of(b, options.bias, "linear"));
  return add_node(b, op::linear, inputs, op::LinearAttributes{.rows = {options.first, options.rows}},
                  b.program[w].name, b.new_name("linear"));
}

namespace {

Tensor norm(const OpRecord& op, Tensor x, std::string_view name, op::NormAttributes a, bool centred) {
  BuilderState& b = state_of(x, name);
  Builder builder(&b);
  const std::string n(name);
  const std::int64_t C = b.program[value_of(b, x, n)].type.shape.last();
  if (!(a.epsilon >= 0) || !std::isfinite(a.epsilon))
    fail(b, n, "impossible epsilon", "0 or more", to_text(a.epsilon));
  if (a.offset != 0 && a.offset != 1)
    fail(b, n, "impossible offset of a norm's weight", "0 or 1", to_text(a.offset));
  std::vector<TensorId> inputs{{x.id()}};
  const Init neutral = a.offset == 0 ? ones() : zeros();
  inputs.push_back({builder.parameter(n + ".weight", {C}, {.init = neutral, .decay = false}).id()});
  if (centred)
    inputs.push_back({builder.parameter(n + ".bias", {C}, {.init = zeros(), .decay = false}).id()});
  return add_node(b, op, inputs, a, b.new_name(n));
}

}  // namespace

Tensor layer_norm(Tensor x, std::string_view name, float epsilon) {
  return norm(op::layer_norm, x, name, {.epsilon = epsilon}, true);
}
Tensor rms_norm(Tensor x, std::string_view name, float epsilon, float offset) {
  return norm(op::rms_norm, x, name, {.epsilon = epsilon, .offset = offset}, false);
}

namespace {

Tensor unary(Tensor x, op::Activation kind, const char* name) {
  BuilderState& b = state_of(x, name);
  return add_node(b, op::activation, {value_of(b, x, name)}, op::ActivationAttributes{kind},
                  b.new_name(name));
}

}  // namespace

Tensor gelu(Tensor x) { return unary(x, op::Activation::gelu, "gelu"); }
Tensor gelu_new(Tensor x) { return unary(x, op::Activation::gelu_new, "gelu_new"); }
Tensor relu(Tensor x) { return unary(x, op::Activation::relu, "relu"); }
Tensor silu(Tensor x) { return unary(x, op::Activation::silu, "silu"); }

Tensor gated(Tensor gate, Tensor x, GateFunction f) {
  using op::Activation;
  static constexpr Activation kinds[] = {Activation::silu, Activation::gelu, Activation::gelu_new,
                                         Activation::relu};
  BuilderState& b = state_of(gate, "gated");
  return add_node(b, op::gated, {value_of(b, gate, "gated"), value_of(b, x, "gated")},
                  op::ActivationAttributes{kinds[static_cast<std::size_t>(f)]}, b.new_name("gated"));
}

Tensor softcap(Tensor x, float cap) {
  BuilderState& b = state_of(x, "softcap");
  if (!(cap > 0) || !std::isfinite(cap)) fail(b, "softcap", "impossible cap", "above 0", to_text(cap));
  return add_node(b, op::softcap, {value_of(b, x, "softcap")}, op::SoftcapAttributes{cap},
                  b.new_name("softcap"));
}

Tensor scale(Tensor x, float factor) {
  BuilderState& b = state_of(x, "scale");
  if (!std::isfinite(factor)) fail(b, "scale", "impossible factor", "a finite number", to_text(factor));
  return add_node(b, op::scale, {value_of(b, x, "scale")}, op::ScaleAttributes{factor}, b.new_name("scale"));
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

namespace {

// Ids that each have a logit.
void require_logits(const BuilderState& b, std::string_view function, TensorId logits, TensorId ids) {
  const Shape& shape = b.program[logits].type.shape;
  if (shape.rank() > 0 && b.program[ids].input.below <= shape.last()) return;
  const std::string kind = b.program[ids].input.meaning == Meaning::labels ? "labels" : "ids";
  fail(b, std::string(function), kind + " that have no logit",
       kind + " below " + std::to_string(shape.rank() ? shape.last() : 0) + ", the width of the logits",
       "below " + std::to_string(b.program[ids].input.below));
}

// What each loss is of: logits or states, labels, and the scale that the loop writes.
struct LossInputs {
  TensorId x, labels, scale;
};
LossInputs loss_inputs(BuilderState& b, std::string_view function, Tensor x, Tensor labels) {
  const TensorId in = value_of(b, x, function), of = ids_of(b, labels, function);
  if (b.program[of].input.meaning != Meaning::labels)
    fail(b, std::string(function), "the labels are none", "an input of kind labels", text_of(b.program[of]));
  const std::string number = ++b.losses == 1 ? "" : "." + std::to_string(b.losses);
  const TensorId scale =
      b.input(input::loss_scale + number, op::f32({1}),
              {.meaning = Meaning::loss_scale, .once_a_step = true, .counts = b.program[of].name});
  return {in, of, scale};
}
LossInputs loss_of_logits(BuilderState& b, std::string_view function, Tensor logits, Tensor labels) {
  require_logits(b, function, value_of(b, logits, function), ids_of(b, labels, function));
  return loss_inputs(b, function, logits, labels);
}

}  // namespace

Tensor cross_entropy(Tensor logits, Tensor labels, CrossEntropyOptions options) {
  BuilderState& b = state_of(logits, "cross_entropy");
  const float smoothing = options.label_smoothing;
  if (!(smoothing >= 0 && smoothing < 1))
    fail(b, "cross_entropy", "impossible label smoothing", "0 <= label_smoothing < 1", to_text(smoothing));
  const LossInputs in = loss_of_logits(b, "cross_entropy", logits, labels);
  return add_node(b, op::cross_entropy, {in.x, in.labels, in.scale},
                  op::CrossEntropyAttributes{b.options.training ? smoothing : 0}, b.new_name("loss"));
}

Tensor soft_cross_entropy(Tensor logits, Tensor labels, Tensor ids, Tensor masses,
                          SoftCrossEntropyOptions options) {
  constexpr const char* function = "soft_cross_entropy";
  BuilderState& b = state_of(logits, function);
  const auto [share, temperature] = options;
  if (!(share >= 0 && share <= 1))
    fail(b, function, "impossible share of the teacher", "0 to 1", to_text(share));
  if (!(temperature > 0) || !std::isfinite(temperature))
    fail(b, function, "impossible temperature", "above 0", to_text(temperature));
  const TensorId known = ids_of(b, ids, function), shares = value_of(b, masses, function);
  if (!b.options.training) return cross_entropy(logits, labels);
  const LossInputs in = loss_of_logits(b, function, logits, labels);
  require_logits(b, function, in.x, known);
  return add_node(b, op::soft_cross_entropy, {in.x, in.labels, known, shares, in.scale},
                  op::SoftCrossEntropyAttributes{share, temperature}, b.new_name("loss"));
}

Tensor state_error(Tensor x, Tensor target, Tensor labels) {
  constexpr const char* function = "state_error";
  BuilderState& b = state_of(x, function);
  const TensorId of = value_of(b, target, function);
  const LossInputs in = loss_inputs(b, function, x, labels);
  return add_node(b, op::state_error, {in.x, of, in.labels, in.scale}, NoAttributes{}, b.new_name("loss"));
}

Tensor relation_error(Tensor x, Tensor target, Tensor labels, RelationErrorOptions options) {
  constexpr const char* function = "relation_error";
  BuilderState& b = state_of(x, function);
  const TensorId of = value_of(b, target, function);
  const LossInputs in = loss_inputs(b, function, x, labels);
  return add_node(b, op::relation_error, {in.x, of, in.labels, in.scale},
                  op::RelationErrorAttributes{options.heads, options.causal}, b.new_name("loss"));
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

}  // namespace hone
