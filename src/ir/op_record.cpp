#include "ir/op_record.hpp"

#include <algorithm>
#include <stdexcept>

namespace hone {

void InferInput::fail(const std::string& what, const std::string& expected, const std::string& found) const {
  throw Error(ErrorKind::input,
              {.what = what, .where = std::string(node), .expected = expected, .found = found});
}

void InferInput::require_rank(std::size_t input, int rank) const {
  if (in[input].shape.rank() != rank)
    fail(label(input) + " has the wrong number of axes", std::to_string(rank) + " axes",
         to_string(in[input]));
}

void InferInput::require(std::size_t input, const TensorType& type) const {
  if (in[input] != type) fail(label(input) + " has the wrong type", to_string(type), to_string(in[input]));
}

void InferInput::require_rank_at_least(std::size_t input, int rank) const {
  if (in[input].shape.rank() < rank)
    fail(label(input) + " has too few axes", std::to_string(rank) + " axes or more", to_string(in[input]));
}

std::string InferInput::label(std::size_t input) const {
  const std::size_t last = op->inputs.size() - 1;  // a variadic one, where there are more
  return std::string("the ") + op->name + "'s input '" + op->inputs[std::min(input, last)].name + "'";
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
      if (!operands[i]) continue;
      const bool may = std::find(gaps.begin(), gaps.end(), i) != gaps.end();
      if (may ? !operands[i].even_rows() : !operands[i].packed()) return false;
    }
    return true;
  };
  return good(call.in, in) && good(call.out, out);
}

std::optional<std::size_t> OpRecord::find_input(std::string_view wanted) const {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (wanted == inputs[i].name) return i;
  return {};
}

std::size_t OpRecord::least_inputs() const {
  const bool variadic = !inputs.empty() && inputs.back().kind == InputRecord::Kind::variadic;
  return inputs.size() - (variadic ? 1 : 0);
}

InferInput infer_input(const Program& program, const OpRecord& op, std::string_view node,
                       const std::vector<TensorId>& inputs, const Attributes& attributes) {
  const auto bug = [&](const std::string& what) {
    throw std::logic_error("malformed program: " + what + " at " + op.name + " @" + std::string(node));
  };
  const std::size_t least = op.least_inputs();
  if (inputs.size() < least || (least == op.inputs.size() && inputs.size() > least))
    bug("wrong number of inputs");
  InferInput infer{.node = node, .op = &op, .in = {}, .attributes = attributes};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i] && (i >= least || op.inputs[i].kind != InputRecord::Kind::optional))
      bug("no input '" + std::string(op.inputs[std::min(i, least)].name) + "'");
    infer.in.push_back(inputs[i] ? program[inputs[i]].type : TensorType{});
  }
  return infer;
}

// By value: a tensor's own name may be handed in, and tensors are added.
// NOLINTBEGIN(performance-unnecessary-value-param)
std::vector<TensorId> emit(Program& program, const OpRecord& op, std::vector<TensorId> inputs,
                           const Attributes& attributes, std::string name, Phase phase) {
  // NOLINTEND(performance-unnecessary-value-param)
  inputs.resize(std::max(inputs.size(), op.least_inputs()));  // optional ones at the end
  const auto specs = op.infer(infer_input(program, op, name, inputs, attributes));
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

}  // namespace hone
