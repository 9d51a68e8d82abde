#include "ir/program.hpp"

#include <algorithm>
#include <cassert>

#include "ir/op_record.hpp"

namespace hone {

bool is_weight(const TensorDef& tensor) {
  return tensor.role == Role::parameter || tensor.purpose == Purpose::derived;
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

std::vector<TensorId> Program::inputs() const {
  std::vector<TensorId> ids;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].role == Role::input && tensors[i].alias == Alias::none)
      ids.push_back({static_cast<std::int32_t>(i)});
  return ids;
}

TensorId Program::input(std::string_view wanted) const {
  for (const TensorId id : inputs())
    if ((*this)[id].name == wanted) return id;
  return {};
}

TensorId Program::output(std::string_view wanted) const {
  for (const Output& output : outputs)
    if (output.name == wanted) return output.id;
  return {};
}

std::vector<ParameterSpec> Program::parameters() const {
  std::vector<ParameterSpec> specs;
  for (const TensorDef& t : tensors)
    if (t.role == Role::parameter && t.alias == Alias::none) specs.push_back(*t.parameter);
  return specs;
}

TensorId Program::newest(TensorId id) const {
  for (std::size_t i = tensors.size(); i-- > 0;)
    if (tensors[i].alias == Alias::version && tensors[i].previous == id)
      return newest({static_cast<std::int32_t>(i)});
  return id;
}

std::vector<TensorId> Program::states(Purpose purpose, std::string_view of) const {
  std::vector<TensorId> found;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorDef& t = tensors[i];
    if (t.purpose == purpose && t.alias == Alias::none && t.of == of)
      found.push_back({static_cast<std::int32_t>(i)});
  }
  return found;
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

TensorId add_parameter(Program& program, ParameterSpec spec) {
  return program.add({.name = spec.name,
                      .type = {spec.shape, spec.dtype},
                      .role = Role::parameter,
                      .parameter = std::make_shared<const ParameterSpec>(spec)});
}

TensorId add_version(Program& program, TensorId of) {
  TensorDef next = program[of];
  assert(next.role == Role::state || next.role == Role::parameter);
  next.base = program.root(of);
  next.previous = of;
  next.alias = Alias::version;
  return program.add(std::move(next));
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
  static constexpr const char* roles[] = {"input", "parameter", "state", "constant"};
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
    std::string inputs;
    for (const TensorId id : n.inputs)
      if (id) inputs += (inputs.empty() ? "" : ", ") + label(p, id);
    s += inputs;
    const std::string attributes = n.attributes.to_string([&n](std::string_view name) -> std::optional<bool> {
      const auto place = n.op->find_input(name);
      return place ? std::optional(bool(n.inputs[*place])) : std::nullopt;
    });
    s += ")" + (attributes.empty() ? "" : " {" + attributes + "}") + " @" + n.name;
    if (n.phase != Phase::micro) s += std::string(" #") + phases[static_cast<std::size_t>(n.phase)];
    s += (note ? " " + note(n) : "") + "\n";
  }
  s += "output";
  for (const Output& output : p.outputs) s += " " + label(p, output.id);
  return s + "\n";
}

}  // namespace hone
