#include "ir/program.hpp"

#include <algorithm>
#include <cassert>

#include "ir/op_record.hpp"

namespace hone {

bool is_weight(const TensorDef& tensor) {
  return tensor.role == Role::parameter || (tensor.role == Role::state && tensor.name.ends_with(".bf16"));
}

TensorId Program::add(TensorDef tensor) {
  if (tensor.strides.rank() == 0) tensor.strides = contiguous_strides(tensor.type.shape);
  tensors.push_back(std::move(tensor));
  return {static_cast<std::int32_t>(tensors.size()) - 1};
}

TensorId Program::find(std::string_view wanted) const {
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].name == wanted) return {static_cast<std::int32_t>(i)};
  return {};
}

bool Program::contiguous(TensorId id) const {
  return (*this)[id].strides == contiguous_strides((*this)[id].type.shape);
}

TensorId add_view(Program& program, TensorId of, Shape shape, Shape strides, std::int64_t offset,
                  std::string name) {
  const TensorDef& source = program[of];
  return program.add({.name = std::move(name),
                      .type = {shape, source.type.dtype},
                      .role = source.role,
                      .lifetime = source.lifetime,
                      .alias = Alias::view,
                      .base = program.root(of),
                      .offset = source.offset + offset,
                      .strides = strides});
}

TensorId add_version(Program& program, TensorId of) {
  TensorDef next = program[of];
  assert(next.role == Role::state || next.role == Role::parameter);
  next.base = program.root(of);
  next.previous = of;
  next.alias = Alias::version;
  return program.add(std::move(next));
}

void InferInput::fail(const std::string& what, const std::string& expected, const std::string& found) const {
  throw Error(ErrorKind::input,
              {.what = what, .where = std::string(node), .expected = expected, .found = found});
}

void InferInput::require_rank(std::size_t input, int rank) const {
  if (in[input].shape.rank() != rank)
    fail("input " + std::to_string(input) + " has the wrong number of axes", std::to_string(rank) + " axes",
         to_string(in[input]));
}

void InferInput::require(std::size_t input, const TensorType& type) const {
  if (in[input] != type)
    fail("input " + std::to_string(input) + " has the wrong type", to_string(type), to_string(in[input]));
}

bool Operand::even_rows() const {
  std::int64_t stride = row_stride();
  for (int axis = type.shape.rank() - 2; axis >= 0; --axis) {
    if (type.shape[axis] > 1 && strides[axis] != stride) return false;
    stride *= type.shape[axis];
  }
  return type.shape.rank() == 0 || type.shape.last() == 1 || strides.last() == 1;
}

bool Operand::packed() const {
  return even_rows() &&
         (type.shape.rank() < 2 || type.shape.rows() == 1 || row_stride() == type.shape.last());
}

bool gaps_only_in(const Call& call, std::initializer_list<std::size_t> in,
                  std::initializer_list<std::size_t> out) {
  const auto good = [](const std::vector<Operand>& operands, std::initializer_list<std::size_t> gaps) {
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const bool may = std::find(gaps.begin(), gaps.end(), i) != gaps.end();
      if (may ? !operands[i].even_rows() : !operands[i].packed()) return false;
    }
    return true;
  };
  return good(call.in, in) && good(call.out, out);
}

std::vector<TensorId> emit(Program& program, const OpRecord& op, std::vector<TensorId> inputs,
                           const Attributes& attributes, const std::string& name, Phase phase) {
  InferInput infer{.node = name, .in = {}, .attributes = attributes};
  for (const TensorId id : inputs) infer.in.push_back(program[id].type);
  const auto specs = op.infer(infer);
  Node node{.op = &op,
            .name = name,
            .inputs = std::move(inputs),
            .outputs = {},
            .attributes = attributes,
            .phase = phase};
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const OutputSpec& spec = specs[i];
    const std::string output = name + ":" + op.name + (i ? "." + std::to_string(i) : "");
    node.outputs.push_back(spec.version_of >= 0
                               ? add_version(program, node.inputs[static_cast<std::size_t>(spec.version_of)])
                               : program.add({.name = output, .type = spec.type}));
  }
  program.nodes.push_back(node);
  return node.outputs;
}

namespace {

std::string label(const Program& p, TensorId id) {
  const TensorDef& t = p[id];
  std::string s = "%" + std::to_string(id.value);
  if (t.alias == Alias::view)
    s += "(%" + std::to_string(t.base.value) + "+" + std::to_string(t.offset) + " " + to_string(t.strides) +
         ")";
  if (t.alias == Alias::version)  // of one in this program, or as another program leaves it
    s +=
        (t.previous ? "(next %" + std::to_string(t.previous.value) : "(of %" + std::to_string(t.base.value)) +
        ")";
  return s;
}

}  // namespace

std::string print(const Program& p, const std::function<std::string(const Node&)>& note) {
  static constexpr const char* roles[] = {"input", "parameter", "state"};
  static constexpr const char* phases[] = {"prepare", "micro", "norm", "update"};
  std::string s;
  for (std::size_t i = 0; i < p.tensors.size(); ++i) {
    const TensorDef& t = p.tensors[i];
    if (t.role == Role::activation || t.alias != Alias::none) continue;
    s += std::string(roles[static_cast<std::size_t>(t.role)]) + " %" + std::to_string(i) + ": " +
         to_string(t.type) + " " + t.name + "\n";
  }
  for (const Node& n : p.nodes) {
    for (std::size_t i = 0; i < n.outputs.size(); ++i)
      s += (i ? ", " : "") + label(p, n.outputs[i]) + ": " + to_string(p[n.outputs[i]].type);
    s += std::string(" = ") + n.op->name + "(";
    for (std::size_t i = 0; i < n.inputs.size(); ++i) s += (i ? ", " : "") + label(p, n.inputs[i]);
    const std::string attributes = n.attributes.to_string();
    s += ")" + (attributes.empty() ? "" : " {" + attributes + "}") + " @" + n.name;
    if (n.phase != Phase::micro) s += std::string(" #") + phases[static_cast<std::size_t>(n.phase)];
    s += (note ? " " + note(n) : "") + "\n";
  }
  s += "output";
  for (const TensorId id : p.outputs) s += " " + label(p, id);
  return s + "\n";
}

}  // namespace hone
