#include "op/builder_nodes.hpp"

#include <atomic>

namespace hone {
namespace {

// The calls of architectures that are under way on this thread, the innermost last.
thread_local std::vector<BuilderState*> under_way;

}  // namespace

namespace builder {

void fail(const BuilderState& b, const std::string& name, const std::string& what,
          const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::input,
              {.what = what, .where = b.prefix + name, .expected = expected, .found = found});
}

void refuse_foreign(std::string_view use) {
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

Shape positive_shape(const BuilderState& b, std::string_view name,
                     std::initializer_list<std::int64_t> sizes) {
  const Shape shape(sizes);
  for (const std::int64_t size : sizes)
    if (size <= 0) fail(b, std::string(name), "sizes must be positive", "at least 1", to_string(shape));
  return shape;
}

}  // namespace builder

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

}  // namespace hone
